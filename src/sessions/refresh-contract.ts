import { networksOf } from '../platform/request/index.ts';
import { browserFamily } from './browser-family.ts';

/**
 * Generations by which a token may be ahead of a store that lost its last writes: Redis, or PostgreSQL with an
 * asynchronous standby. A genuine token is ahead only after a lost write.
 */
export const MOST_LOST = 16;
/** Milliseconds. */
const DAY = 86_400_000;
/** Late repetitions of one session in a day, and repetitions from elsewhere. Further ones are refused. */
const MOST_IN_A_DAY = 10;
/**
 * Number of the late repetition in a day at which the owner gets a notice. One or two can come from a bad connection.
 */
const LATE_TOLD_AT = 3;
/**
 * Number of the repetition from elsewhere in a day from which on the owner gets a notice. One can come from a phone
 * that left the house.
 */
const ELSEWHERE_TOLD_FROM = 2;

/** The comparable part of a request's source. */
export interface Place {
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}

/**
 * Facts about the last rotations of a session. Every entry names its generation, so an ordinary rotation makes all of
 * them obsolete without writing any. Times are milliseconds since 1970 by the clock of the store.
 */
export interface RefreshNotes {
  /** A step-up or a credential change made generation `to`. It supersedes every token from generation `from` on. */
  readonly superseded?: { readonly from: number; readonly to: number };
  /** The generation that was made by moving forward, after the store had lost the generations before it. */
  readonly movedForwardTo?: number;
  /** The generation that was given to the holder of its predecessor at another network or in another browser. */
  readonly givenElsewhere?: number;
  /** The generation that was given to the holder of its predecessor after the grace, and the time. */
  readonly givenLate?: { readonly generation: number; readonly at: number };
  /** Counts of repetitions within a day from the first one. */
  readonly day?: { readonly since: number; readonly elsewhere: number; readonly late: number };
}

/** A session as its store holds it, with the time of the store. */
export interface HeldGeneration {
  readonly generation: number;
  /** Milliseconds since 1970, like `now`. */
  readonly rotatedAt: number;
  readonly now: number;
  /** Network and browser of the request that rotated. */
  readonly place: Place;
  readonly notes: RefreshNotes;
  /** Whether an access token of the current generation was used. */
  readonly seen: boolean;
}

export interface RefreshContractOptions {
  readonly graceSeconds: number;
}

/** Why an outcome is recorded: one row of the table in docs/design/sessions.md. */
export type Circumstance =
  /** Within the grace, from another network or another browser. */
  | 'elsewhere'
  /** From elsewhere, after the successor was already given elsewhere. */
  | 'elsewhere again'
  /** From elsewhere for the eleventh time in a day. A phone does that now and then, a thief each time. */
  | 'elsewhere too often'
  /** After the grace, from the same place, while the successor is unseen. */
  | 'late'
  /** Late, after the successor was already given late. */
  | 'late again'
  /** Late for the eleventh time in a day. */
  | 'late too often'
  /** After the grace, from another network or another browser, while the successor is unseen. */
  | 'late elsewhere'
  /** A step-up or a credential change replaced it. */
  | 'superseded'
  /** The session moved forward from this token. */
  | 'moved forward'
  /** Within the grace, from another network and another browser. */
  | 'both differ'
  /** After the grace, when the successor was seen. */
  | 'successor seen'
  /** The token is older than the predecessor. */
  | 'older';

/** The outcome for a presented refresh token. */
export type Judgement =
  /** The current token: the session advances by one generation. */
  | { readonly outcome: 'rotate' }
  /** The store lost generations: the session advances to the generation after the presented one. */
  | { readonly outcome: 'move forward'; readonly lost: number; readonly notes: RefreshNotes }
  /**
   * The client gets the current generation again. With a circumstance, the notes are written first and the event is
   * audited.
   */
  | { readonly outcome: 'repeat'; readonly recorded: null }
  | {
      readonly outcome: 'repeat';
      readonly recorded: Circumstance;
      readonly tellOwner: boolean;
      readonly notes: RefreshNotes;
    }
  /**
   * Refused, and the session lives. `superseded` tells the client to go on with its newer token, `refuse` to sign in.
   */
  | {
      readonly outcome: 'superseded' | 'refuse';
      readonly recorded: Circumstance;
      readonly tellOwner: boolean;
    }
  /** A copy is in use: the session ends. */
  | { readonly outcome: 'reuse'; readonly recorded: Circumstance }
  /** The session cannot have reached this generation. The token is refused, and nothing changes. */
  | { readonly outcome: 'unknown' };

/**
 * The refresh contract: all rules for a presented refresh token, in one place and without side effects. The table with
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
  // Sent before the late answer arrived: from another tab, or through a process that stalled.
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
 * Makes the notes of a step-up or a credential change that leads from `generation` to a later one.
 * A token that was replaced only by such changes was never presented, so presenting it is not reuse. The same holds
 * when nothing was seen of the refresh before them: a client that lost every reply since still has that token.
 * @param step.seen whether a token of `generation` was seen
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
 * Reconstructs the notes of a step-up in a release without notes. That release set the times of rotation and
 * authentication to one instant; after an ordinary rotation they differ.
 */
export function notesOfEarlierRelease(generation: number, timesAreOne: boolean): RefreshNotes {
  return timesAreOne && generation > 0 ? { superseded: { from: generation - 1, to: generation } } : {};
}

/**
 * Returns the widest network that clients are counted by: the IPv4 address, or the /48 of an IPv6 address. A site keeps
 * its /48 while its hosts change their /64 (RFC 6177, RFC 8981). A phone that moves to the Wi-Fi changes either.
 */
function networkOf({ ipAddress }: Place): string | null {
  return ipAddress === null ? null : (networksOf(ipAddress).at(-1) ?? ipAddress);
}
