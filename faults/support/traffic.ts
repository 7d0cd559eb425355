import type { Fault, Round } from './fault.ts';
import { Person } from './person.ts';
import { pause } from './random.ts';
import { World, type WorldOptions } from './world.ts';

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
    private readonly refreshEvery: number,
  ) {}

  static begin(world: World, round: Round, refreshEvery: number): Traffic {
    const traffic = new Traffic(world, round, refreshEvery);
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
    // Each at another time.
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
  /** Does the fault, tells the tally when the part is back, and returns then. */
  inject(world: World, round: Round, traffic: Traffic): Promise<void>;
  /** Seconds for which the clients go on after that; two more than the bound of healing unless it says so. */
  readonly watchFor?: number;
  /** Milliseconds between two requests of a client, where the scale's do not fit. */
  readonly think?: number;
  /** Milliseconds that a client keeps its tokens. It refreshes them then, uses them once, and does nothing else. */
  readonly refreshEvery?: number;
  /** How many clients, where the scale's do not fit. */
  readonly people?: number;
}

/** Seconds of work before the fault. */
const BEFORE = 1.5;
/** Presentations of an old token, of sessions that are not used any more. */
const ROBBERIES = 3;

/** The course of most faults: clients at work, the fault in the middle, and the books compared at the end. */
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

/** What the clients were told against what the gateway and its database say. */
export async function compareBooks(world: World): Promise<void> {
  // The questions of the comparison are not part of the fault.
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
