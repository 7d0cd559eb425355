import { networksOf } from '../platform/request/index.ts';
import { browserFamily } from './browser-family.ts';

/**
 * Generations by which a token may be ahead of a store that lost its last moments: Redis, or PostgreSQL with an asynchronous
 * standby. Only a lost write makes a genuine token be ahead.
 */
export const MOST_LOST = 16;
/** Milliseconds. */
const DAY = 86_400_000;
/** Repetitions of one session in a day that are late, and as many from elsewhere; beyond, they are refused. */
const MOST_IN_A_DAY = 10;
/** The late repetition of a day at which the owner is told: one or two are a bad connection. */
const LATE_TOLD_AT = 3;
/** From which repetition of a day for another network or browser on the owner is told: one is a phone that left the house. */
const ELSEWHERE_TOLD_FROM = 2;

/** Where a request comes from, as far as it can be compared. */
export interface Place {
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}

/**
 * What a session must remember of its last rotations. Every entry names the generation that it is about, so an ordinary
 * rotation leaves all of them behind without writing any. Times are milliseconds since 1970 by the clock of the store.
 */
export interface RefreshNotes {
  /** Generation `to` came about by a step-up or a credential change. It supersedes every token from `from` on. */
  readonly superseded?: { readonly from: number; readonly to: number };
  /** The generation that came about by moving forward, after the store had lost the ones before. */
  readonly movedForwardTo?: number;
  /** The generation that was given to the predecessor at another network or in another browser. */
  readonly givenElsewhere?: number;
  /** The generation that was given to the predecessor after the grace, and when. */
  readonly givenLate?: { readonly generation: number; readonly at: number };
  /** What was given out within a day from its first event. */
  readonly day?: { readonly since: number; readonly elsewhere: number; readonly late: number };
}

/** A session as its store holds it, and what time it is there. */
export interface HeldGeneration {
  readonly generation: number;
  /** Milliseconds since 1970, like `now`. */
  readonly rotatedAt: number;
  readonly now: number;
  /** Of the request that rotated. */
  readonly place: Place;
  readonly notes: RefreshNotes;
  /** Something of the current generation came back: an access token that was issued with it. */
  readonly seen: boolean;
}

export interface RefreshContractOptions {
  readonly graceSeconds: number;
}

/** Why an outcome is recorded: the row of the table in docs/design/sessions.md. */
export type Circumstance =
  /** Within the grace, from another network or another browser. */
  | 'elsewhere'
  /** The same once more: the successor was given elsewhere already. */
  | 'elsewhere again'
  /** From elsewhere for the eleventh time in a day: a phone does that now and then, a shadow each time. */
  | 'elsewhere too often'
  /** After the grace, from the same place, while nothing came back of the successor. */
  | 'late'
  /** The same once more. */
  | 'late again'
  /** The same for the eleventh time in a day. */
  | 'late too often'
  /** After the grace, from another network or another browser, while nothing came back of the successor. */
  | 'late elsewhere'
  /** A step-up or a credential change replaced it. */
  | 'superseded'
  /** It is the one from which the session moved forward. */
  | 'moved forward'
  /** From another network and another browser. */
  | 'both differ'
  /** After the grace, while something came back of the successor. */
  | 'successor seen'
  /** It is older than the predecessor. */
  | 'older';

/** What becomes of a presented refresh token. */
export type Judgement =
  /** The current one: the session advances by one. */
  | { readonly outcome: 'rotate' }
  /** The store lost generations: the session advances to the one after the presented. */
  | { readonly outcome: 'move forward'; readonly lost: number; readonly notes: RefreshNotes }
  /** The current generation again. With a circumstance it is recorded, and the notes are written first. */
  | { readonly outcome: 'repeat'; readonly recorded: null }
  | {
      readonly outcome: 'repeat';
      readonly recorded: Circumstance;
      readonly tellOwner: boolean;
      readonly notes: RefreshNotes;
    }
  /** Refused: `superseded` tells the client to go on with its newer token, `refuse` to sign in. The session lives. */
  | {
      readonly outcome: 'superseded' | 'refuse';
      readonly recorded: Circumstance;
      readonly tellOwner: boolean;
    }
  /** A copy is in use: the session ends. */
  | { readonly outcome: 'reuse'; readonly recorded: Circumstance }
  /** A generation that the session cannot have reached: refused, nothing changes. */
  | { readonly outcome: 'unknown' };

/**
 * The refresh contract: every rule of what becomes of a presented token, in one place and without any effect. The table with
 * the reasons is in docs/design/sessions.md.
 */
export function judgePresentation(
  held: HeldGeneration,
  presented: { readonly generation: number; readonly place: Place },
  { graceSeconds }: RefreshContractOptions,
): Judgement {
  const { generation, notes, now } = held;
  const ahead = presented.generation - generation;
  if (ahead === 0) return { outcome: 'rotate' };
  if (ahead > MOST_LOST) return { outcome: 'unknown' };
  if (ahead > 0) {
    const { day } = notes;
    return {
      outcome: 'move forward',
      lost: ahead,
      notes: { ...(day && { day }), movedForwardTo: presented.generation + 1 },
    };
  }

  const sameNetwork = networkOf(held.place) === networkOf(presented.place);
  const sameBrowser = browserFamily(held.place.userAgent) === browserFamily(presented.place.userAgent);
  const stranger = !sameNetwork && !sameBrowser;
  const samePlace = sameNetwork && sameBrowser;

  if (notes.superseded?.to === generation && presented.generation >= notes.superseded.from) {
    return { outcome: 'superseded', recorded: 'superseded', tellOwner: stranger };
  }
  if (ahead < -1) return { outcome: 'reuse', recorded: 'older' };
  if (notes.movedForwardTo === generation) {
    return { outcome: 'superseded', recorded: 'moved forward', tellOwner: stranger };
  }

  const grace = graceSeconds * 1000;
  const day = notes.day && now - notes.day.since < DAY ? notes.day : { since: now, elsewhere: 0, late: 0 };
  if (now - held.rotatedAt < grace) {
    if (samePlace) return { outcome: 'repeat', recorded: null };
    if (stranger) return { outcome: 'reuse', recorded: 'both differ' };
    if (notes.givenElsewhere === generation) {
      return { outcome: 'superseded', recorded: 'elsewhere again', tellOwner: false };
    }
    if (day.elsewhere >= MOST_IN_A_DAY) {
      return { outcome: 'superseded', recorded: 'elsewhere too often', tellOwner: false };
    }
    const elsewhere = day.elsewhere + 1;
    return {
      outcome: 'repeat',
      recorded: 'elsewhere',
      tellOwner: elsewhere >= ELSEWHERE_TOLD_FROM,
      notes: { ...notes, givenElsewhere: generation, day: { ...day, elsewhere } },
    };
  }

  const givenLate = notes.givenLate?.generation === generation ? notes.givenLate : undefined;
  // What was sent before the late answer arrived, from another tab or through a process that stood still.
  const overtaken = samePlace && givenLate !== undefined && now - givenLate.at < grace;
  if (held.seen && !overtaken) return { outcome: 'reuse', recorded: 'successor seen' };
  if (!samePlace) return { outcome: 'refuse', recorded: 'late elsewhere', tellOwner: true };
  if (givenLate) return { outcome: 'superseded', recorded: 'late again', tellOwner: false };
  if (day.late >= MOST_IN_A_DAY) {
    return { outcome: 'refuse', recorded: 'late too often', tellOwner: true };
  }
  const late = day.late + 1;
  return {
    outcome: 'repeat',
    recorded: 'late',
    tellOwner: late === LATE_TOLD_AT,
    notes: { ...notes, givenLate: { generation, at: now }, day: { ...day, late } },
  };
}

/**
 * The notes of a step-up or a credential change that leads from `generation` to a later one. A token that only such changes
 * have replaced was never presented, so presenting it is not a second use. Neither is it when the refresh before them brought
 * nothing that came back: a client that lost every reply since still has that token.
 * @param step.seen something of `generation` came back
 */
export function supersede(
  { superseded, day }: RefreshNotes,
  step: { readonly generation: number; readonly to: number; readonly seen: boolean },
): RefreshNotes {
  const { generation, to, seen } = step;
  const first = seen ? generation : Math.max(0, generation - 1);
  const from = superseded?.to === generation ? superseded.from : first;
  return { ...(day && { day }), superseded: { from, to } };
}

/**
 * A release before these notes wrote none of a step-up. It set the times of rotation and authentication to one instant, and
 * an ordinary rotation parts them.
 */
export function notesOfEarlierRelease(generation: number, timesAreOne: boolean): RefreshNotes {
  return timesAreOne && generation > 0 ? { superseded: { from: generation - 1, to: generation } } : {};
}

/**
 * The widest network that clients are counted by: the IPv4 address, or the /48 of an IPv6 address. A site keeps its /48 while
 * its hosts change their /64 (RFC 6177, RFC 8981), and a phone that moves to the Wi-Fi leaves either.
 */
function networkOf({ ipAddress }: Place): string | null {
  return ipAddress === null ? null : (networksOf(ipAddress).at(-1) ?? ipAddress);
}
