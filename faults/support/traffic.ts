import type { Round } from './fault.ts';
import { Person } from './person.ts';
import { pause } from './random.ts';
import type { World } from './world.ts';

/** Each client's share of what is not a refresh; the rest is refreshes. */
const SHARES = { logOut: 0.04, changePassword: 0.02, me: 0.04, register: 0.01 };

/** The clients of a world at work, each with one request at a time, until it is stopped. */
export class Traffic {
  #isOver = false;
  #strangers = 0;
  #ended: Promise<unknown> = Promise.resolve();
  /** Refreshes that were acknowledged. */
  refreshes = 0;

  private constructor(
    private readonly world: World,
    private readonly round: Round,
  ) {}

  static begin(world: World, round: Round): Traffic {
    const traffic = new Traffic(world, round);
    traffic.#ended = Promise.all(world.people.map((person) => traffic.#work(person)));
    // Waited for in `stop`; until then a failure is not unhandled.
    traffic.#ended.catch(() => {});
    return traffic;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }

  async #work(person: Person): Promise<void> {
    const { random, scale } = this.round;
    while (!this.#isOver) {
      await pause(scale.think * (0.5 + random()));
      await this.#act(person, random());
    }
  }

  async #act(person: Person, roll: number): Promise<void> {
    const { logOut, changePassword, me, register } = SHARES;
    if (roll < logOut) {
      await person.logOut();
      await person.logIn();
    } else if (roll < logOut + changePassword) {
      await person.changePassword();
    } else if (roll < logOut + changePassword + me) {
      await person.isSignedIn();
    } else if (roll < logOut + changePassword + me + register) {
      const stranger = await Person.other(`stranger-${this.#strangers++}`, this.world.sender);
      if (stranger) this.world.strangers.push(stranger);
    } else if (await person.refresh()) {
      this.refreshes += 1;
    }
    if (!person.hasSession) await person.logIn();
  }
}

export interface Course {
  /** Does the fault, tells the tally when the part is back, and returns then. */
  inject(world: World, traffic: Traffic): Promise<void>;
  /** Seconds for which the clients go on after that. */
  readonly watchFor: number;
}

/** Seconds of work before the fault. */
const BEFORE = 1.5;
/** Presentations of an old token, of sessions that are nobody's otherwise. */
const ROBBERIES = 3;

/** The course of most faults: clients at work, the fault in the middle, and the books compared at the end. */
export async function underTraffic(world: World, round: Round, { inject, watchFor }: Course): Promise<void> {
  await world.invite(round.scale.people);
  const traffic = Traffic.begin(world, round);
  try {
    await pause(BEFORE * 1000);
    await inject(world, traffic);
    await pause(watchFor * 1000);
  } finally {
    await traffic.stop();
  }
  await compareBooks(world);
}

/** What the clients were told against what the gateway and its database say. */
export async function compareBooks(world: World): Promise<void> {
  // The questions of the comparison are not part of the fault.
  const { requests, acknowledged, refused, unanswered, longestWait, timeToHeal } = world.tally;
  for (const person of [...world.people, ...world.strangers]) await person.account();
  world.tally.falseAlarms = await world.audited('session.refresh_reused');
  for (const person of world.people.slice(0, ROBBERIES)) {
    await person.logIn();
    if (!(await person.isRobbed())) world.tally.isWrong('a stolen token did not end its session');
  }
  const alarms = (await world.audited('session.refresh_reused')) - world.tally.falseAlarms;
  const expected = Math.min(ROBBERIES, world.people.length);
  if (alarms !== expected) world.tally.isWrong(`${alarms} alarms for ${expected} thefts`);
  Object.assign(world.tally, { requests, acknowledged, refused, unanswered, longestWait, timeToHeal });
}
