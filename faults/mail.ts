import { type Answer, TestSmtp } from '../tests/support/smtp.ts';
import type { Fault, Round } from './support/fault.ts';
import { Person } from './support/person.ts';
import { pause } from './support/random.ts';
import type { Tally } from './support/tally.ts';
import { World } from './support/world.ts';

/** Milliseconds between two registrations, each of which causes one mail. */
const EVERY = 150;
/** Seconds of the fault, and the longest time of the outbox afterwards (its third retry comes after 20 s). */
const AWAY_FOR = 12;
const DELIVERED_WITHIN = 60;

/**
 * The mail server is away for a while. `away` and `back` set its behaviour. With `mayRepeat`, the answer to an accepted
 * mail may get lost.
 */
function fault(
  name: string,
  what: string,
  { away, back, mayRepeat = false }: { away: Step; back: Step; mayRepeat?: boolean },
): Fault {
  return {
    name: `mail-${name}`,
    what: `SMTP ${what}`,
    stores: ['postgres'],
    bounds: {},
    run: (round) => mailsUnder(round, away, back, mayRepeat),
  };
}

type Step = (smtp: TestSmtp) => Promise<void> | void;

async function mailsUnder({ scale }: Round, away: Step, back: Step, mayRepeat: boolean): Promise<Tally> {
  const smtp = await TestSmtp.start();
  const world = await World.start({
    store: 'postgres',
    settings: () => ({ SMTP_URL: smtp.url, MAIL_FROM: 'Gatehouse <no-reply@example.test>' }),
  });
  world.closing.push(() => smtp.stop());
  try {
    let isOver = false;
    const registering = Promise.all(
      Array.from({ length: scale.isShort ? 2 : 6 }, async (_, line) => {
        for (let turn = 0; !isOver; turn++) {
          await pause(EVERY);
          const stranger = await Person.other(`mailed-${line}-${turn}`, world.sender);
          if (stranger) world.strangers.push(stranger);
        }
      }),
    );
    await pause(2_000);
    await away(smtp);
    await pause(AWAY_FOR * 1000);
    await back(smtp);
    const backAt = performance.now();
    await pause(2_000);
    isOver = true;
    await registering;
    await compare(world, smtp, mayRepeat);
    world.tally.timeToHeal = performance.now() - backAt;
    return world.tally;
  } finally {
    await world.close();
  }
}

/** Expects one mail for each account, and no other. */
async function compare({ strangers, tally }: World, { mails }: TestSmtp, mayRepeat: boolean): Promise<void> {
  const countOf = (person: Person) => mails.filter(({ to }) => to === `${person.name}@example.test`).length;
  const until = performance.now() + DELIVERED_WITHIN * 1000;
  while (performance.now() < until && strangers.some((person) => countOf(person) === 0)) await pause(200);
  const counts = strangers.map(countOf);
  const repeated = counts.filter((count) => count > 1).length;
  tally.lost = counts.filter((count) => count === 0).length;
  if (!mayRepeat) tally.doubled = repeated;
  tally.notes.push(`${strangers.length} mails, ${repeated} of them came twice`);
}

const answering = (answer: Answer): Step => {
  return (smtp) => {
    smtp.answer = () => answer;
  };
};

export const mail: readonly Fault[] = [
  fault('refuses', `refuses for ${AWAY_FOR} s`, { away: answering(451), back: answering('take') }),
  fault('hangs', `hangs for ${AWAY_FOR} s`, { away: answering('silence'), back: answering('take') }),
  fault('killed', `killed in the middle, away for ${AWAY_FOR} s`, {
    // Accepts the mails but never confirms them: the kill loses the answers.
    async away(smtp) {
      smtp.answer = () => 'late silence';
      await pause(500);
      await smtp.stop();
    },
    async back(smtp) {
      smtp.answer = () => 'take';
      await smtp.restart();
    },
    mayRepeat: true,
  }),
];
