import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { decodeJwt } from 'jose';
import { GatewayPair } from '../support/gateway-pair.ts';
import { LogoutDocument, ReauthenticateDocument } from '../support/generated/operations.ts';
import { elapse, eventually, race } from '../support/race.ts';
import { isSeen } from '../support/session-probe.ts';
import { STORES } from '../support/session-stores.ts';
import { Subject, type Tokens, tokensOf } from '../support/subject.ts';

/** CONTRIBUTING.md describes the long form. */
const LONG = process.env.TEST_LONG === '1';
jest.setTimeout(LONG ? 300_000 : 120_000);

const between = (least: number, most: number) => least + Math.random() * (most - least);
/** The offset of the generation in a refresh token: after version, key id, user id and session id. */
const generationIn = (refreshToken: string) => Buffer.from(refreshToken, 'base64url').readUInt32BE(37);

describe.each(STORES)('two processes with sessions in %s', (store) => {
  let pair: GatewayPair;

  beforeAll(async () => {
    pair = await GatewayPair.startOn(store);
  });
  afterAll(() => pair?.close());

  const alarms = () =>
    pair.database.query(
      `select from audit_event where action in ('session.refresh_reused', 'session.ended')`,
    );

  const alarmsOf = ({ id }: Subject) =>
    pair.database.query(
      `select from audit_event where subject_id = $1 and action = 'session.refresh_reused'`,
      [id],
    );

  it('give one successor to twenty concurrent uses of a token, and advance by one, twenty times in a row', async () => {
    const alice = await Subject.register(pair.clients[0]);
    let { refreshToken, sessionId } = await alice.signedIn();
    for (let round = 1; round <= 20; round++) {
      const presented = refreshToken;
      const replies = await race(20, (index) => alice.refresh(presented, pair.clients[index % 2]));
      const successors = [...new Set(replies.map((reply) => tokensOf(reply).refreshToken))];
      expect(successors).toHaveLength(1);
      refreshToken = successors[0] ?? '';
      expect(generationIn(refreshToken)).toBe(round);
      expect(await pair.sessions.generation(alice.id, sessionId)).toBe(round);
    }
    expect(await alarms()).toEqual([]);
  });

  it('do not raise a refresh that races with a step-up, and continue with the token of the step-up', async () => {
    for (let round = 0; round < 10; round++) {
      const alice = await Subject.register(pair.clients[0]);
      const { accessToken: bearer, refreshToken, sessionId } = await alice.signedIn();
      const { iat: signedInAt } = decodeJwt(bearer);
      // One second, so that the times of both proofs differ in a token.
      await pair.sessions.age(alice.id, sessionId, 100);
      const stepUp = pair.clients[1].execute(
        ReauthenticateDocument,
        { password: alice.password },
        { bearer },
      );
      const refreshes = await race(10, (index) => alice.refresh(refreshToken, pair.clients[index % 2]));
      const raised = tokensOf(await stepUp);
      for (const reply of refreshes) {
        if (reply.code === 'REFRESH_TOKEN_SUPERSEDED') continue;
        const { accessToken } = tokensOf(reply);
        expect(Number(decodeJwt(accessToken).auth_time)).toBeLessThan(Number(signedInAt) - 90);
      }
      expect(tokensOf(await alice.refresh(raised.refreshToken)).sessionId).toBe(sessionId);
    }
    expect(await alarms()).toEqual([]);
  });

  it('neither lose nor double a session while one or the other is killed during refreshes', async () => {
    const [people, waves] = LONG ? [50, 40] : [20, 8];
    const lostReplies: unknown[] = [];
    const kills: Array<Promise<void>> = [];
    /** Refreshes that a process has not answered yet. */
    const inFlight: [number, number] = [0, 0];
    let isOver = false;

    /** Sends the same token again at the process that answers, as a client does. */
    const refresh = async (person: Subject, refreshToken: string, wave: number): Promise<string> => {
      for (let attempt = wave; ; attempt++) {
        const at = (attempt % 2) as 0 | 1;
        inFlight[at] += 1;
        const reply = await person.refresh(refreshToken, pair.clients[at]).catch((error: Error) => {
          const { code } = error.cause as { code?: unknown };
          if (code !== 'ECONNREFUSED') lostReplies.push(code);
          return undefined;
        });
        inFlight[at] -= 1;
        if (reply && reply.code !== 'SERVICE_UNAVAILABLE') return tokensOf(reply).refreshToken;
        await elapse(50, 'the pace of a client that tries again');
      }
    };
    const killAndRestart = async (index: 0 | 1) => {
      while (inFlight[index] < people / 4 && !isOver) await elapse(1, 'the time between two polls');
      await pair.kill(index);
      await pair.start(index);
    };

    const subjects: Subject[] = [];
    const sessions: Tokens[] = [];
    // One after the other, because the queue for hashes is bounded.
    for (let person = 0; person < people; person++) {
      const subject = await Subject.register(pair.clients[0]);
      subjects.push(subject);
      sessions.push(await subject.signedIn());
    }
    const tokens = sessions.map(({ refreshToken }) => refreshToken);
    const startedAt = performance.now();
    let nextKill = startedAt + (LONG ? between(4_000, 8_000) : 0);
    for (let wave = 0; wave < waves; wave++) {
      if (performance.now() >= nextKill) {
        nextKill = performance.now() + (LONG ? between(4_000, 8_000) : 3_000);
        const index = (kills.length % 2) as 0 | 1;
        kills.push(
          elapse(between(0, 80), 'the moment of the kill is random').then(() => killAndRestart(index)),
        );
      }
      await race(people, async (index) => {
        const presented = tokens[index] as string;
        tokens[index] = await refresh(subjects[index] as Subject, presented, wave + index);
        expect(generationIn(tokens[index])).toBe(generationIn(presented) + 1);
      });
      await elapse(LONG ? 1_500 : 700, 'the pace of the clients');
    }
    isOver = true;
    await Promise.all(kills);
    if (LONG) {
      process.stderr.write(
        `${store}: ${people * waves} refreshes by ${people} sessions in ${Math.round((performance.now() - startedAt) / 1000)} s, ` +
          `${kills.length} kills, ${lostReplies.length} replies lost\n`,
      );
    }

    expect(kills.length).toBeGreaterThanOrEqual(2);
    expect(lostReplies.length).toBeGreaterThan(0);
    for (const [index, { sessionId }] of sessions.entries()) {
      const subject = subjects[index] as Subject;
      expect(await pair.sessions.generation(subject.id, sessionId)).toBe(waves);
      expect((await subject.refresh(tokens[index] as string)).errors).toEqual([]);
    }
    expect(await alarms()).toEqual([]);
  });

  it('know of a logout within a second, even right after the connections for wake-ups were cut', async () => {
    const alice = await Subject.register(pair.clients[0]);
    const [here, there] = pair.clients;
    const { accessToken, refreshToken } = await alice.signedIn();
    expect((await alice.me(accessToken, there)).errors).toEqual([]);
    if (pair.redis) {
      await pair.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await pair.redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
    } else {
      const cut = await pair.database.querySuperuser(
        `select pg_terminate_backend(pid) as cut from pg_stat_activity
         where application_name = 'gatehouse feed' and datname = $1`,
        [new URL(pair.database.servingUrl).pathname.slice(1)],
      );
      expect(cut).toHaveLength(2);
    }
    const loggedOut = await here.execute(LogoutDocument, {}, { bearer: accessToken });
    expect(loggedOut.errors).toEqual([]);
    await eventually(
      () => alice.me(accessToken, there),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
    await eventually(
      () => alice.refresh(refreshToken, there),
      ({ code }) => code === 'INVALID_REFRESH_TOKEN',
    );
    await eventually(
      () => alice.login({ client: there }),
      ({ errors }) => errors.length === 0,
    );
  });

  it('end a session once when its predecessor comes to both, from another place than its client', async () => {
    const alice = await Subject.register(pair.clients[0]);
    const { refreshToken, sessionId } = await alice.signedIn();
    const renewed = tokensOf(await alice.refresh(refreshToken));
    expect((await alice.me(renewed.accessToken)).errors).toEqual([]);
    await isSeen(pair.sessions, alice.id, sessionId, 1);
    await pair.sessions.age(alice.id, sessionId, 31);
    const replies = await race(10, (index) => alice.refresh(refreshToken, pair.clients[index % 2]));
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set(['INVALID_REFRESH_TOKEN']));
    expect(await alarmsOf(alice)).toHaveLength(1);
  });

  it('do not report a theft when a refresh waited in a process that stood still, while the client went on at the other', async () => {
    const [here, there] = pair.clients;
    const people: Array<{ alice: Subject; tokens: Tokens }> = [];
    for (let person = 0; person < 10; person++) {
      const alice = await Subject.register(here);
      people.push({ alice, tokens: await alice.signedIn() });
    }
    pair.stall(0);
    try {
      const late = people.map(({ alice, tokens }) => alice.refresh(tokens.refreshToken, here));
      for (const person of people) {
        person.tokens = tokensOf(await person.alice.refresh(person.tokens.refreshToken, there));
        expect((await person.alice.me(person.tokens.accessToken, there)).errors).toEqual([]);
      }
      await elapse(3_000, 'how long the process stands still');
      pair.goOn(0);
      for (const [index, reply] of (await Promise.all(late)).entries()) {
        // The same successor, or a refusal: a machine under load may find the request too old.
        if (reply.code !== 'SERVICE_UNAVAILABLE')
          expect(tokensOf(reply).refreshToken).toBe(people[index]?.tokens.refreshToken);
      }
    } finally {
      pair.goOn(0);
    }
    for (const { alice, tokens } of people) {
      expect((await alice.refresh(tokens.refreshToken)).errors).toEqual([]);
      expect(await alarmsOf(alice)).toEqual([]);
    }
  });
});
