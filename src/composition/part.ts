import type { FastifyPluginAsync } from 'fastify';
import type { Chore } from '../platform/housekeeping/housekeeping.ts';
import type { MailWriter } from '../platform/mail/index.ts';
import type { PersonalData } from '../platform/personal-data.ts';

/** One of each kind of thing that capabilities bring to the places where all of them meet. */
interface Brought {
  /** Instance of a class that `resolvers.ts` lists. */
  readonly resolvers: object;
  /** HTTP routes. */
  readonly routes: FastifyPluginAsync;
  /** HTTP routes where a cookie speaks for its user, and that pages of other origins may call. */
  readonly guardedRoutes: FastifyPluginAsync;
  /** Name of a cookie that speaks for somebody, or binds something to a browser. */
  readonly cookieNames: string;
  /** What a mail says. */
  readonly mailWriters: MailWriter<never>;
  /** What is kept about people, for the export and the deletion of an account. */
  readonly personalData: PersonalData;
  /** What goes on without a request, in every process that serves. */
  readonly workers: { start(): void; stop(): Promise<void> };
  /** Housekeeping. */
  readonly chores: Chore;
}

/** What one capability brings. */
export type Part = { readonly [Kind in keyof Brought]?: ReadonlyArray<Brought[Kind]> };

/** Everything of one kind, in the order of the parts. */
export const broughtBy = <Kind extends keyof Brought>(
  parts: readonly Part[],
  kind: Kind,
): Array<Brought[Kind]> => parts.flatMap((part) => part[kind] ?? []);
