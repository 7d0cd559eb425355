import type { FastifyPluginAsync } from 'fastify';
import type { Chore } from '../platform/housekeeping/housekeeping.ts';
import type { MailWriter } from '../platform/mail/index.ts';
import type { PersonalData } from '../platform/personal-data.ts';

/** What a capability brings to the places where all of them meet. */
export interface Part {
  /** Instances of what `resolvers.ts` lists. */
  readonly resolvers?: readonly object[];
  /** HTTP routes of its own. */
  readonly routes?: readonly FastifyPluginAsync[];
  /** Those among them where a cookie speaks for its user, and that pages of other origins may call. */
  readonly guardedRoutes?: readonly FastifyPluginAsync[];
  /** What its mails say. */
  readonly mailWriters?: ReadonlyArray<MailWriter<never>>;
  /** What it keeps about people, for the export and the deletion of an account. */
  readonly personalData?: readonly PersonalData[];
  /** Its housekeeping. */
  readonly chores?: readonly Chore[];
}

/** Everything of one kind that the parts bring, in their order. */
export const broughtBy = <Kind extends keyof Part>(
  parts: readonly Part[],
  kind: Kind,
): NonNullable<Part[Kind]>[number][] => parts.flatMap((part) => part[kind] ?? []);
