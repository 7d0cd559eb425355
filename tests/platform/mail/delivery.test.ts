import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { newSecrets, TestGateway } from '../../support/gateway.ts';
import { ChangePasswordDocument } from '../../support/generated/operations.ts';
import { freePort, GatehouseProcess } from '../../support/process.ts';
import { eventually, race } from '../../support/race.ts';
import { TestSmtp } from '../../support/smtp.ts';
import type { Subject } from '../../support/subject.ts';
import { topology } from '../../support/topology.ts';

const secrets = newSecrets();
let smtp: TestSmtp;
let gateway: TestGateway;

beforeAll(async () => {
  smtp = await TestSmtp.start();
  gateway = await TestGateway.start({
    ...secrets,
    SMTP_URL: smtp.url,
    MAIL_FROM: 'Orchard <hello@orchard.example>',
    PRODUCT_NAME: 'Orchard',
  });
});
afterEach(() => {
  smtp.answer = () => 'take';
});
afterAll(async () => {
  await gateway.close();
  await smtp.stop();
});

interface Job {
  finished: boolean;
  blank: boolean;
  attempts: number;
  dueIn: number;
  facts: Buffer | null;
}

/**
 * The notices of one account, the oldest first. Jobs are sealed, so they are identified by their creation
 * time.
 */
const jobsSince = async (start: Date): Promise<Job[]> =>
  gateway.database.query(
    `select finished_at is not null as finished, sealed_facts is null as blank, sealed_facts as facts, attempts,
            extract(epoch from due_at - now())::float as "dueIn"
     from mail_job where kind = 'owner-notice' and created_at >= $1 order by created_at`,
    [start],
  );

const databaseTime = async (): Promise<Date> => {
  const [row] = await gateway.database.query<{ now: Date }>('select clock_timestamp() as now');
  return row?.now ?? new Date();
};

/** Makes waiting jobs due, as if the time until the next attempt or of the lease had passed. */
const timePasses = () =>
  gateway.database.query('update mail_job set due_at = now() where finished_at is null');

/** An account whose registration mail was sent already, so that later mails come from the test. */
async function someone(): Promise<Subject> {
  const subject = await gateway.aSubject();
  await smtp.mailTo(subject.email);
  smtp.forget(subject.email);
  return subject;
}

/** Creates a mail to the subject. @returns the milliseconds that the caller waited. */
async function causeMail(subject: Subject, client = gateway.client): Promise<number> {
  const { accessToken } = await subject.signedIn({ client });
  const before = performance.now();
  const { data, text } = await client.execute(
    ChangePasswordDocument,
    { currentPassword: subject.password, newPassword: 'seven quiet lanterns' },
    { bearer: accessToken },
  );
  if (!data) throw new Error(text);
  return performance.now() - before;
}

const finished = (since: Date, count = 1) =>
  eventually(
    () => jobsSince(since),
    (jobs) => jobs.length === count && jobs.every((job) => job.finished),
  );

/** The first attempt is over, and the next one is scheduled. */
const failedOnce = (since: Date) =>
  eventually(
    () => jobsSince(since),
    ([job]) => job?.attempts === 1 && job.dueIn < 6,
  );

describe('a mail', () => {
  it('arrives within two seconds as HTML and text, with the sender and product name of the settings', async () => {
    const alice = await someone();
    await causeMail(alice);
    const mail = await smtp.mailTo(alice.email, { withinMilliseconds: 2_000 });
    expect(mail.from).toBe('Orchard <hello@orchard.example>');
    expect(mail.subject).toBe('Your password was changed (Orchard)');
    expect(mail.text).toContain('The password of your account was changed.');
    expect(mail.html).toContain('The password of your account was changed.');
    expect(mail.messageId).toMatch(/^<[0-9a-f-]{36}\.[0-9a-f]{16}@orchard\.example>$/);
    expect(mail.headers).toContainEqual(
      expect.objectContaining({ key: 'auto-submitted', value: 'auto-generated' }),
    );
  });

  it('waits sealed, and is blanked after it was sent', async () => {
    const alice = await someone();
    const since = await databaseTime();
    smtp.answer = () => 451;
    await causeMail(alice);
    const [waiting] = await failedOnce(since);
    expect(waiting).toMatchObject({ finished: false, blank: false });
    for (const fact of [alice.id, alice.email, 'password-changed', '127.0.0.1']) {
      expect(waiting?.facts?.toString('latin1')).not.toContain(fact);
    }
    smtp.answer = () => 'take';
    await timePasses();
    await smtp.mailTo(alice.email);
    expect((await finished(since))[0]).toMatchObject({ blank: true, attempts: 2 });
  });

  it('that the server refuses permanently is dropped and blanked, and the log does not name the recipient', async () => {
    const alice = await someone();
    const since = await databaseTime();
    smtp.answer = (recipient) => (recipient === alice.email ? 550 : 'take');
    await causeMail(alice);
    expect((await finished(since))[0]).toMatchObject({ blank: true, attempts: 1 });
    expect(smtp.asked.filter((recipient) => recipient === alice.email)).toHaveLength(1);
    const line = gateway.logLines.find((text) => text.includes('a mail was given up')) ?? '';
    expect(line).toContain('EENVELOPE 550 RCPT TO');
    const log = gateway.logLines.join('');
    for (const secret of [alice.email, alice.username, 'marked-by-the-server']) {
      expect(log).not.toContain(secret);
    }
  });

  it('is dropped after four days', async () => {
    const alice = await someone();
    const since = await databaseTime();
    smtp.answer = () => 451;
    await causeMail(alice);
    await failedOnce(since);
    smtp.answer = () => 'take';
    await gateway.database.query(
      `update mail_job set created_at = now() - interval '97 hours', due_at = now() where finished_at is null`,
    );
    await eventually(
      async () => gateway.logLines.join(''),
      (log) => log.includes('it waited for 96 hours'),
    );
    expect(smtp.mails.filter(({ to }) => to === alice.email)).toEqual([]);
  });

  it('keeps its Message-ID over attempts, so that a mailbox can drop duplicates', async () => {
    const alice = await someone();
    // The server accepted it, but the gateway never learns that, so it must send again.
    smtp.answer = () => 'late silence';
    await causeMail(alice);
    await smtp.mailTo(alice.email);
    smtp.answer = () => 'take';
    await smtp.stop();
    await smtp.restart();
    await eventually(
      async () => {
        await timePasses();
        return smtp.mails.filter(({ to }) => to === alice.email);
      },
      // The test moves the time during the delivery, so it may arrive more than twice.
      (mails) => mails.length >= 2,
    );
    const ids = smtp.mails.filter(({ to }) => to === alice.email).map(({ messageId }) => messageId);
    expect(new Set(ids).size).toBe(1);
  });
});

describe('a mail server', () => {
  it('that answers 451 and then stops for a while loses no mail and delays no request', async () => {
    const people = await race(8, someone);
    const since = await databaseTime();
    smtp.answer = () => 451;
    const first = await Promise.all(people.slice(0, 4).map((person) => causeMail(person)));
    await smtp.stop();
    const second = await Promise.all(people.slice(4).map((person) => causeMail(person)));
    // A hash at the cost of the tests, and one transaction: no part waits for mail.
    expect(Math.max(...first, ...second)).toBeLessThan(1_000);
    await eventually(
      () => jobsSince(since),
      (jobs) => jobs.length === 8 && jobs.every(({ attempts }) => attempts > 0),
    );
    expect((await jobsSince(since)).some((job) => job.finished)).toBe(false);
    smtp.answer = () => 'take';
    await smtp.restart();
    // The retries come by themselves: five seconds after the first attempt, then ten.
    for (const { email } of people) await smtp.mailTo(email, { withinMilliseconds: 20_000 });
    await finished(since, 8);
    for (const { email } of people) expect(smtp.mails.filter(({ to }) => to === email)).toHaveLength(1);
  });

  it('that hangs over one recipient does not delay the others', async () => {
    const [stuck, ...others] = await race(6, someone);
    if (!stuck) throw new Error('nobody');
    smtp.answer = (recipient) => (recipient === stuck.email ? 'silence' : 'take');
    await causeMail(stuck);
    await eventually(
      async () => smtp.asked,
      (asked) => asked.includes(stuck.email),
    );
    for (const other of others) {
      await causeMail(other);
      await smtp.mailTo(other.email, { withinMilliseconds: 2_000 });
    }
    await smtp.stop();
    await smtp.restart();
    smtp.answer = () => 'take';
    await eventually(timePasses, () => smtp.mails.some(({ to }) => to === stuck.email));
  });
});

// They are two of its own.
(topology === 'one' ? describe : describe.skip)('two processes', () => {
  it('send each mail once', async () => {
    const second = await gateway.another({ SMTP_URL: smtp.url });
    try {
      const since = await databaseTime();
      const people = await race(30, someone);
      await race(30, (index) =>
        causeMail(people[index] as Subject, (index % 2 === 0 ? gateway : second).client),
      );
      for (const { email } of people) await smtp.mailTo(email);
      await finished(since, 30);
      for (const { email } of people) expect(smtp.mails.filter(({ to }) => to === email)).toHaveLength(1);
    } finally {
      await second.close();
    }
  });

  it('do not conflict when one was too slow and lost its job to the other', async () => {
    const second = await gateway.another({ SMTP_URL: smtp.url });
    try {
      const alice = await someone();
      const since = await databaseTime();
      const { promise: slowly, resolve: refuse } = Promise.withResolvers<451>();
      const { promise: later, resolve: accept } = Promise.withResolvers<'take'>();
      let attempts = 0;
      smtp.answer = () => (attempts++ === 0 ? slowly : later);
      await causeMail(alice);
      await eventually(
        async () => attempts,
        (count) => count === 1,
      );
      await timePasses();
      await eventually(
        async () => attempts,
        (count) => count === 2,
      );
      const saidBefore = [gateway, second].map(({ logLines }) => logLines.length);
      const saidSince = () =>
        [gateway, second].flatMap(({ logLines }, index) => logLines.slice(saidBefore[index]));
      refuse(451);
      // The failure of the first worker must not take the job from the second, which is still sending.
      await eventually(
        async () => saidSince().join(''),
        (log) => log.includes('EENVELOPE 451'),
      );
      const [held] = await jobsSince(since);
      expect(held).toMatchObject({ attempts: 2, finished: false });
      expect(held?.dueIn).toBeGreaterThan(15);
      accept('take');
      await smtp.mailTo(alice.email);
      await finished(since);
    } finally {
      await second.close();
    }
  });
});

describe('a process that is sending a mail', () => {
  let alone: TestSmtp;
  let own: TestGateway;
  let alice: Subject;
  let settings: Parameters<typeof GatehouseProcess.start>[0];
  let sending: GatehouseProcess;

  /**
   * The only process on its database, in the middle of sending. The change that caused the mail is committed.
   */
  beforeEach(async () => {
    alone = await TestSmtp.start();
    own = await TestGateway.start(secrets);
    alice = await own.aSubject();
    await own.mailbox.expect(alice.email, /confirm-email/);
    await own.stop();
    settings = {
      NODE_ENV: 'test',
      PORT: await freePort(),
      PASSWORD_BCRYPT_COST: '4',
      RATE_LIMIT: 'off',
      DATABASE_URL: own.database.servingUrl,
      DATABASE_MIGRATION_URL: own.database.ownerUrl,
      SMTP_URL: alone.url,
      ...secrets,
    };
    sending = await GatehouseProcess.start(settings);
    alone.answer = () => 'silence';
    await causeMail(alice, new Client(`http://127.0.0.1:${settings.PORT}`));
    await eventually(
      async () => alone.asked.length,
      (count) => count === 1,
    );
    alone.answer = () => 'take';
  });
  afterEach(async () => {
    await GatehouseProcess.killAll();
    await own.database.drop();
    await alone.stop();
  });

  it('may be killed: the mail is sent after the restart, when the lease is over', async () => {
    sending.kill('SIGKILL');
    await sending.ended;
    await own.database.query('update mail_job set due_at = now() where finished_at is null');
    // A command does not send mail, because it would exit in the middle.
    expect(await GatehouseProcess.run(['keys', 'list'], settings).ended).toBe(0);
    expect(alone.mails).toEqual([]);
    const restarted = await GatehouseProcess.start(settings);
    await alone.mailTo(alice.email);
    expect(await restarted.stop()).toBe(0);
    expect(alone.mails).toHaveLength(1);
  });

  it('may be stopped: it does not wait for the server, and the next process need not wait for the lease', async () => {
    const before = performance.now();
    expect(await sending.stop()).toBe(0);
    expect(performance.now() - before).toBeLessThan(8_000);
    expect(alone.mails).toEqual([]);
    await GatehouseProcess.start(settings);
    await alone.mailTo(alice.email, { withinMilliseconds: 3_000 });
  });
});
