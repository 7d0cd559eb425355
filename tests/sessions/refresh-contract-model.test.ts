import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MOST_LOST } from '../../src/sessions/refresh-contract.ts';
import { type Answer, type PlaceNumber, refreshWorld } from '../support/refresh-world.ts';
import { ADAPTERS } from '../support/session-adapters.ts';

/** CONTRIBUTING.md describes the long form. */
const { TEST_ALL, TEST_LONG } = process.env;
const HISTORIES = TEST_ALL === '1' || TEST_LONG === '1' ? 3_000 : 120;
const DAY = 86_400;
const GRACE = 30;

/** A change without a refresh: the generation before it, and whether that generation was not seen. */
interface Proof {
  readonly after: number;
  readonly skips: boolean;
}

/**
 * A second form of the table in docs/design/sessions.md. It uses the whole history of a session, while the
 * store remembers little. Both must agree on every answer.
 */
class History {
  /** For each generation: its cause, place and time. */
  readonly born = new Map<
    number,
    { how: 'refresh' | 'proof' | 'forward'; at: number; place: PlaceNumber; proof?: Proof }
  >([[0, { how: 'refresh', at: 0, place: 0 }]]);
  readonly seen = new Set<number>();
  readonly givenElsewhere = new Set<number>();
  readonly givenLateAt = new Map<number, number>();
  /** Proofs of the session. */
  amr: readonly string[] = ['pwd'];
  current = 0;
  now = 0;
  ended = false;
  told = 0;
  window = { since: Number.NEGATIVE_INFINITY, elsewhere: 0, late: 0 };

  copy(): History {
    const copy = new History();
    for (const [generation, birth] of this.born) copy.born.set(generation, birth);
    for (const generation of this.seen) copy.seen.add(generation);
    for (const generation of this.givenElsewhere) copy.givenElsewhere.add(generation);
    for (const [generation, at] of this.givenLateAt) copy.givenLateAt.set(generation, at);
    const { amr, current, ended, told, window } = this;
    return Object.assign(copy, { amr, current, ended, told, window: { ...window } });
  }

  bear(generation: number, how: 'refresh' | 'proof' | 'forward', place: PlaceNumber, proof?: Proof): void {
    this.born.set(generation, { how, at: this.now, place, ...(proof && { proof }) });
    this.seen.delete(generation);
    this.givenElsewhere.delete(generation);
    this.givenLateAt.delete(generation);
    this.current = generation;
  }

  /**
   * @param to the generation that the store chose. It must exceed every token of writes that the store lost.
   */
  supersede(
    to: number,
    place: PlaceNumber,
    used: { generation: number; amr: readonly string[] },
    proof?: string,
  ): void {
    const { current } = this;
    const wasSeen = this.seen.has(current) || used.generation === current;
    // Based on the token of the prover and not on the session, which another person may have raised.
    if (proof !== undefined) this.amr = [...new Set([...used.amr, proof])].sort();
    expect(to).toBeGreaterThan(current + MOST_LOST);
    this.bear(to, 'proof', place, { after: current, skips: !wasSeen });
  }

  /** The generation whose tokens are returned, or a code. */
  present(presented: number, place: PlaceNumber): number | 'SUPERSEDED' | 'INVALID' {
    if (this.ended) return 'INVALID';
    const { current } = this;
    if (presented === current) {
      this.bear(current + 1, 'refresh', place);
      return current + 1;
    }
    if (presented > current) {
      if (presented - current > MOST_LOST) return 'INVALID';
      this.bear(presented + 1, 'forward', place);
      return presented + 1;
    }
    const birth = this.born.get(current);
    if (!birth) throw new Error('a generation that nothing made');
    const otherNetwork = birth.place % 2 !== place % 2;
    const otherBrowser = birth.place > 1 !== place > 1;
    const stranger = otherNetwork && otherBrowser;

    // Finds the generation before the changes without a refresh that led to the current one.
    let before = current;
    let first: Proof | undefined;
    for (let { proof } = birth; proof; proof = this.born.get(before)?.proof) {
      first = proof;
      before = proof.after;
    }
    if (first && presented >= before - (first.skips && before > 0 ? 1 : 0)) {
      if (stranger) this.told += 1;
      return 'SUPERSEDED';
    }
    if (presented < current - 1) return this.end();
    if (birth.how === 'forward') {
      if (stranger) this.told += 1;
      return 'SUPERSEDED';
    }
    if (this.now - birth.at < GRACE) {
      if (stranger) return this.end();
      if (!otherNetwork && !otherBrowser) return current;
      if (this.givenElsewhere.has(current)) return 'SUPERSEDED';
      if (this.openWindow().elsewhere >= 10) return 'SUPERSEDED';
      this.givenElsewhere.add(current);
      this.window.elsewhere += 1;
      if (this.window.elsewhere >= 2) this.told += 1;
      return current;
    }
    const lateAt = this.givenLateAt.get(current);
    const same = !otherNetwork && !otherBrowser;
    const overtaken = same && lateAt !== undefined && this.now - lateAt < GRACE;
    if (this.seen.has(current) && !overtaken) return this.end();
    if (!same) {
      this.told += 1;
      return 'INVALID';
    }
    if (lateAt !== undefined) return 'SUPERSEDED';
    if (this.openWindow().late >= 10) {
      this.told += 1;
      return 'INVALID';
    }
    this.window.late += 1;
    if (this.window.late === 3) this.told += 1;
    this.givenLateAt.set(current, this.now);
    return current;
  }

  private openWindow() {
    if (this.now - this.window.since >= DAY) this.window = { since: this.now, elsewhere: 0, late: 0 };
    return this.window;
  }

  private end(): 'INVALID' {
    this.ended = true;
    this.told += 1;
    return 'INVALID';
  }
}

const summary = (answer: Answer): number | 'SUPERSEDED' | 'INVALID' => {
  if (answer.kind === 'tokens') return answer.session.generation;
  if (answer.code === 'REFRESH_TOKEN_SUPERSEDED') return 'SUPERSEDED';
  expect(answer.code).toBe('INVALID_REFRESH_TOKEN');
  return 'INVALID';
};

const place = fc.constantFrom<PlaceNumber>(0, 0, 0, 1, 2, 3);
/** How many generations the token is behind the newest one ever issued. */
const back = fc.constantFrom(0, 0, 0, 1, 1, 1, 1, 2, 3);
/** Sums of these are exactly at the bounds or ten seconds away, so the duration of a test does not matter. */
const seconds = fc.constantFrom(10, 20, 30, 40, 3_600, 43_200, DAY);

type Step =
  | { do: 'present' | 'step up' | 'change'; back: number; place: PlaceNumber }
  | { do: 'use'; back: number }
  | { do: 'wait'; seconds: number }
  | { do: 'snapshot' | 'roll back' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('present' as const), back, place }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('use' as const), back: fc.constantFrom(0, 0, 1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('step up' as const), back, place }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), back, place }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('roll back' as const) }) },
);

/**
 * A sequence that random steps rarely produce: a refresh, a pause, and the same token again, in this or
 * another place.
 */
const again = fc
  .record({ first: place, pause: seconds, second: place, used: fc.boolean(), later: fc.constantFrom(10, 30) })
  .map(({ first, pause, second, used, later }): Step[] => [
    { do: 'present', back: 0, place: first },
    { do: 'wait', seconds: pause },
    { do: 'present', back: 1, place: second },
    ...(used
      ? ([
          { do: 'use', back: 0 },
          { do: 'wait', seconds: later },
          { do: 'present', back: 1, place: first },
        ] as const)
      : []),
  ]);

/** A store that loses its last writes, and a client that continues from its token, twice. */
const loss = fc
  .record({ lost: fc.integer({ min: 1, max: 18 }), first: place, second: place })
  .map(({ lost, first, second }): Step[] => [
    { do: 'snapshot' },
    ...Array.from({ length: lost }, (): Step => ({ do: 'present', back: 0, place: first })),
    { do: 'roll back' },
    { do: 'present', back: 0, place: second },
    { do: 'present', back: 1, place: second },
  ]);

/** A connection so bad that each refresh needs a late repetition. */
const badConnection = fc.constant(
  Array.from({ length: 12 }, (): Step[] => [
    { do: 'present', back: 0, place: 0 },
    { do: 'wait', seconds: 40 },
    { do: 'present', back: 1, place: 0 },
  ]).flat(),
);

/** A copy in another network that presents each token once more. */
const shadow = fc.constant(
  Array.from({ length: 12 }, (): Step[] => [
    { do: 'present', back: 0, place: 0 },
    { do: 'present', back: 1, place: 1 },
  ]).flat(),
);

const story = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: step.map((one): Step[] => [one]) },
    { weight: 10, arbitrary: again },
    { weight: 2, arbitrary: loss },
    { weight: 1, arbitrary: badConnection },
    { weight: 1, arbitrary: shadow },
  ),
  { minLength: 1, maxLength: 30 },
);

describe.each(ADAPTERS)('the refresh contract with sessions in $name', (adapter) => {
  let world: Awaited<ReturnType<typeof refreshWorld>>;
  beforeAll(async () => {
    world = await refreshWorld(adapter);
  });
  afterAll(() => world.close());

  it('answers any history of owners, thieves, stalls, losses and roll-backs as the table says', async () => {
    const histories = fc.asyncProperty(story, async (phrases) => {
      const steps = phrases.flat();
      const session = await world.aSession();
      let history = new History();
      /** The methods in each generation's tokens when they were issued. */
      const issued = new Map<number, readonly string[]>([[0, ['pwd']]]);
      /** Counts the tokens that exist, even when the store has forgotten them. */
      const generation = (back: number) => [...issued.keys()].sort((a, b) => b - a)[back] ?? 0;
      /**
       * Two tokens of one generation are equal, even when the store forgot the first. The second must not
       * have more methods.
       */
      const issue = (made: number, amr: readonly string[]) => {
        for (const proof of amr) expect(issued.get(made) ?? amr).toContain(proof);
        issued.set(made, amr);
      };
      let snapshot: { restore: (later: number) => Promise<void>; of: History; at: number } | null = null;
      let proofs = 0;

      for (const one of steps) {
        switch (one.do) {
          case 'present': {
            const presented = generation(one.back);
            const expected = history.present(presented, one.place);
            const answer = await session.present(presented, one.place);
            expect(summary(answer)).toBe(expected);
            if (answer.kind === 'tokens') {
              // No token gains methods, and only the prover gets the generation of a proof.
              expect(answer.session.amr).toEqual(history.amr);
              const before = issued.get(presented) ?? [];
              for (const proof of answer.session.amr) expect(before).toContain(proof);
              issue(answer.session.generation, answer.session.amr);
            }
            break;
          }
          case 'use': {
            const used = generation(one.back);
            if (used === history.current && used > 0 && !history.ended) history.seen.add(used);
            await session.use(used);
            break;
          }
          case 'step up':
          case 'change': {
            if (history.ended) break;
            const used = generation(one.back);
            proofs += 1;
            const proof = one.do === 'step up' ? `proof ${proofs}` : undefined;
            const amr = issued.get(used) ?? [];
            const raised = await session.supersede(used, one.place, proof);
            if (proof === undefined && history.amr.some((method) => !amr.includes(method))) {
              expect(raised).toBeNull();
              break;
            }
            history.supersede(raised?.generation ?? 0, one.place, { generation: used, amr }, proof);
            expect(raised).toMatchObject({ generation: history.current, amr: history.amr });
            issue(history.current, history.amr);
            break;
          }
          case 'wait':
            history.now += one.seconds;
            if (!history.ended) await session.wait(one.seconds);
            break;
          case 'snapshot':
            if (!history.ended) {
              snapshot = { restore: await session.snapshot(), of: history.copy(), at: history.now };
            }
            break;
          case 'roll back':
            if (snapshot && !history.ended) {
              const { now, told } = history;
              await snapshot.restore(now - snapshot.at);
              history = Object.assign(snapshot.of.copy(), { now, told });
            }
            break;
        }
        expect(await session.generation()).toBe(history.ended ? undefined : history.current);
        expect(world.told).toHaveLength(history.told);
      }
    });
    await fc.assert(histories, { numRuns: HISTORIES });
  });

  it('never ends the session of an honest client, and never refuses one that lost one reply in its own place', async () => {
    const exchange = fc.record({
      do: fc.constantFrom('refresh' as const, 'refresh' as const, 'step up' as const, 'change' as const),
      lost: fc.boolean(),
      tabs: fc.constantFrom(1, 1, 3),
    });
    const event = fc.oneof(
      { weight: 5, arbitrary: exchange },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('roll back' as const) }) },
    );
    const lives = fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 30 }), async (life) => {
      const session = await world.aSession();
      let here: PlaceNumber = 0;
      let newest = 0;
      /**
       * The events after which the contract may ask for a new proof. Only those since the last reply that arrived
       * count.
       */
      let trouble: string | null = null;
      let lostRefreshes = 0;
      let now = 0;
      let snapshot: { restore: (later: number) => Promise<void>; at: number } | null = null;

      /** A reply with tokens arrives, and the client uses its access token. */
      const arrive = async (generation: number) => {
        newest = generation;
        trouble = null;
        lostRefreshes = 0;
        await session.use(generation);
      };
      const proveAgain = async () => {
        const raised = await session.supersede(newest, here, 'pwd');
        expect(raised).not.toBeNull();
        if (raised) await arrive(raised.generation);
      };

      for (const one of life) {
        if (one.do === 'wait') {
          now += one.seconds;
          await session.wait(one.seconds);
          if (lostRefreshes > 1) trouble ??= 'two replies were lost';
        } else if (one.do === 'move') {
          here = here === 0 ? 1 : 0;
          if (lostRefreshes > 0) trouble ??= 'the client moved between a lost reply and its repetition';
        } else if (one.do === 'snapshot') {
          snapshot = { restore: await session.snapshot(), at: now };
        } else if (one.do === 'roll back') {
          if (snapshot) {
            await snapshot.restore(now - snapshot.at);
            trouble ??= 'the store lost writes';
          }
        } else if (one.do === 'refresh') {
          const answers = await Promise.all(
            Array.from({ length: one.tabs }, () => session.present(newest, here)),
          );
          expect(world.events).not.toContain('session.refresh_reused');
          expect(await session.generation()).not.toBeUndefined();
          const got = answers.filter((answer) => answer.kind === 'tokens');
          if (got.length === 0) {
            expect(trouble).not.toBeNull();
            await proveAgain();
          } else if (one.lost) {
            lostRefreshes += 1;
            if (lostRefreshes > 1 || one.tabs > 1) trouble ??= 'several replies were lost';
          } else {
            // The first of several answers wins, because all tabs share the cookie that it sets.
            await arrive(got[0]?.session.generation ?? Number.NaN);
          }
        } else {
          const changed = await session.supersede(newest, here, one.do === 'step up' ? 'pwd' : undefined);
          // With a token from before a step-up whose reply was lost.
          if (!changed) expect(trouble).not.toBeNull();
          else if (!one.lost) await arrive(changed.generation);
          else trouble ??= 'the reply to a proof was lost';
        }
      }
    });
    await fc.assert(lives, { numRuns: HISTORIES });
  });

  it('leaves one successor for a token that twenty clients present at once, with a step-up among them', async () => {
    for (let round = 0; round < 5; round++) {
      const session = await world.aSession();
      const answers = await Promise.all([
        ...Array.from({ length: 10 }, () => session.present(0, 0)),
        session.supersede(0, 0, 'otp').then((raised) => ({ raised })),
        ...Array.from({ length: 10 }, () => session.present(0, 0)),
      ]);
      const raised = answers.find((answer) => 'raised' in answer)?.raised;
      const current = await session.held();
      expect(current).toMatchObject({ generation: raised?.generation, amr: ['otp', 'pwd'] });
      for (const answer of answers) {
        if (!('kind' in answer) || answer.kind === 'refused') continue;
        expect(answer.session.generation).toBeLessThan(raised?.generation ?? 0);
        expect(answer.session.amr).toEqual(['pwd']);
      }
      expect(world.events).not.toContain('session.refresh_reused');
    }
  });

  it('ends the session once when three requests from another network and browser present the predecessor at once', async () => {
    const session = await world.aSession();
    await session.present(0, 0);
    const answers = await Promise.all([session.present(0, 3), session.present(0, 3), session.present(0, 3)]);
    expect(answers.map(summary)).toEqual(['INVALID', 'INVALID', 'INVALID']);
    expect(world.events).toEqual(['session.refresh_reused']);
    expect(await session.generation()).toBeUndefined();
  });

  it('returns the successor once when twenty clients in another place present the predecessor at once', async () => {
    const session = await world.aSession();
    await session.present(0, 0);
    const answers = await Promise.all(Array.from({ length: 20 }, () => session.present(0, 1)));
    const got = answers.map(summary);
    expect(got.filter((one) => one === 1)).toHaveLength(1);
    expect(got.filter((one) => one === 'SUPERSEDED')).toHaveLength(19);
  });

  it('refuses a token of lost writes after a later step-up, so that it gains nothing', async () => {
    const session = await world.aSession();
    const restore = await session.snapshot();
    for (let generation = 0; generation < 3; generation++) await session.present(generation, 0);
    await restore(0);
    const raised = await session.supersede(3, 0, 'otp');
    for (const stolen of [3, 2, 1, 0]) {
      for (const place of [0, 3] as const)
        expect(summary(await session.present(stolen, place))).toBe('SUPERSEDED');
    }
    expect(await session.held()).toMatchObject({ generation: raised?.generation, amr: ['otp', 'pwd'] });
  });
});
