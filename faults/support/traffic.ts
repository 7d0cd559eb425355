import type { Fault, Round } from './fault.ts';
import { Person } from './person.ts';
import { pause } from './random.ts';
import { World, type WorldOptions } from './world.ts';

/** Each client's share of operations other than refreshes. The rest is refreshes. */
const SHARES = { logOut: 0.04, changePassword: 0.02, me: 0.04, register: 0.01 };

/** The working clients of a world, each with one request at a time, until it is stopped. */
export class Traffic {
  #isOver = false;
  #strangers = 0;
  #ended: Promise<unknown> = Promise.resolve();
  /** Refreshes that were acknowledged. */
  refreshes = 0;

  private constructor(
    private readonly world: World,
    private readonly round: Round,
    private readonly refreshEvery: number,
  ) {}

  static begin(world: World, round: Round, refreshEvery: number): Traffic {
    const traffic = new Traffic(world, round, refreshEvery);
    traffic.#ended = Promise.all(world.people.map((person) => traffic.#work(person)));
    // `stop` awaits it. Until then, a failure must not count as unhandled.
    traffic.#ended.catch(() => {});
    return traffic;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }

  async #work(person: Person): Promise<void> {
    const { random, scale } = this.round;
    // Spreads the clients over time.
    if (this.refreshEvery > 0) await this.#idle(random() * this.refreshEvery);
    while (this.refreshEvery > 0 && !this.#isOver) {
      if (await person.refresh()) this.refreshes += 1;
      await person.isSignedIn();
      if (!person.hasSession) await person.logIn();
      await this.#idle(this.refreshEvery);
    }
    while (!this.#isOver) {
      await pause(scale.think * (0.5 + random()));
      await this.#act(person, random());
    }
  }

  async #idle(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (!this.#isOver && performance.now() < until) await pause(100);
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

export interface Course extends Omit<Fault, 'run'> {
  readonly world?: Omit<WorldOptions, 'store'>;
  /** Injects the fault, tells the tally when the outage ends, and returns then. */
  inject(world: World, round: Round, traffic: Traffic): Promise<void>;
  /** Seconds for which the clients go on afterwards. By default two seconds longer than `healsWithin`. */
  readonly watchFor?: number;
  /** Milliseconds between two requests of a client, instead of those of the scale. */
  readonly think?: number;
  /**
   * Milliseconds for which a client keeps its tokens. Then it refreshes them and uses them once, and does nothing else.
   */
  readonly refreshEvery?: number;
  /** Number of clients, instead of that of the scale. */
  readonly people?: number;
}

/** Seconds of work before the fault. */
const BEFORE = 1.5;
/** Number of thefts: old tokens that are presented for sessions out of use. */
const ROBBERIES = 3;

/**
 * The course of most faults: clients work, the fault happens, and at the end their records are compared with the
 * database.
 */
export function underTraffic({
  world: options = {},
  inject,
  watchFor,
  think,
  people,
  refreshEvery = 0,
  ...facts
}: Course): Fault {
  const watched = watchFor ?? (facts.bounds.healsWithin ?? 1) + 2;
  return {
    ...facts,
    async run(given) {
      const round = { ...given, scale: { ...given.scale, think: think ?? given.scale.think } };
      const world = await World.start({ ...options, store: round.store });
      try {
        await world.invite(people ?? round.scale.people);
        const traffic = Traffic.begin(world, round, refreshEvery);
        try {
          await pause(BEFORE * 1000);
          await inject(world, round, traffic);
          await pause(watched * 1000);
        } catch (error) {
          world.sender.close();
          throw error;
        } finally {
          await traffic.stop();
        }
        await compareBooks(world);
        return world.tally;
      } finally {
        await world.close();
      }
    },
  };
}

/** Compares the records of the clients with the gateway and its database. */
export async function compareBooks(world: World): Promise<void> {
  // Requests of the comparison do not count for the fault.
  const { requests, acknowledged, refused, unanswered, longestWait, timeToHeal } = world.tally;
  for (const person of [...world.people, ...world.strangers]) await person.account();
  world.tally.falseAlarms = await world.audited('session.refresh_reused');
  let thefts = 0;
  for (const person of world.people) {
    if (thefts === ROBBERIES) break;
    await person.logIn();
    if (!person.hasSession) continue;
    thefts += 1;
    if (!(await person.isRobbed())) world.tally.isWrong('a stolen token did not end its session');
  }
  const alarms = (await world.audited('session.refresh_reused')) - world.tally.falseAlarms;
  if (alarms !== thefts) world.tally.isWrong(`${alarms} alarms for ${thefts} thefts`);
  Object.assign(world.tally, { requests, acknowledged, refused, unanswered, longestWait, timeToHeal });
}
