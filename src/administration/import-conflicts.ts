import type { Username } from '../accounts/index.ts';
import type { ParsedRecord } from './user-record.ts';

/** An account of the file that could be read, with its line. */
export interface Candidate {
  line: number;
  record: ParsedRecord;
}

/** The username and address of an account, as keys. */
export interface Owner {
  username_key: string;
  email_key: string | null;
}

/** Stands for a pending registration that reserves a username, or an account that can still get an address back. */
export const NOT_AN_ACCOUNT: Owner = { username_key: '', email_key: '' };

/** The owners of the usernames, addresses and ids that a batch asks for. */
export interface Owners {
  byUsername: Map<string, Owner>;
  byEmail: Map<string, Owner>;
  byId: Map<string, Owner>;
  /** The skeletons of the usernames that are taken. */
  skeletons: Set<string>;
}

export const noOwners = (): Owners => ({
  byUsername: new Map(),
  byEmail: new Map(),
  byId: new Map(),
  skeletons: new Set(),
});

/** Adds the owners of earlier batches. */
export function addOwners(owners: Owners, more: Owners): void {
  for (const map of ['byUsername', 'byEmail', 'byId'] as const) {
    for (const [key, owner] of more[map]) owners[map].set(key, owner);
  }
  for (const skeleton of more.skeletons) owners.skeletons.add(skeleton);
}

/** Adds an account that exists. */
export function register(owners: Owners, id: string | undefined, owner: Owner): void {
  owners.byUsername.set(owner.username_key, owner);
  if (owner.email_key !== null) owners.byEmail.set(owner.email_key, owner);
  if (id !== undefined) owners.byId.set(id, owner);
}

/** Adds a candidate, so that later candidates conflict with it. */
export function keep(owners: Owners, { id, username, email }: ParsedRecord): void {
  register(owners, id, { username_key: username.key, email_key: email?.key ?? null });
  for (const skeleton of username.skeletons) owners.skeletons.add(skeleton);
}

/**
 * Sorts candidates into new, present and refused ones. The first candidate that asks for a username or address gets it.
 */
export function sortOut(candidates: readonly Candidate[], owners: Owners) {
  const fresh: Candidate[] = [];
  const refused: { line: number; reason: string }[] = [];
  let present = 0;
  for (const candidate of candidates) {
    const { line, record } = withFreeName(candidate, owners);
    const byEmail = record.email ? owners.byEmail.get(record.email.key) : undefined;
    const byUsername = owners.byUsername.get(record.username.key);
    if (isPresent(candidate.record, owners)) present += 1;
    else if (byUsername) refused.push({ line, reason: 'username: is taken.' });
    else if (looksTaken(record.username, owners))
      refused.push({ line, reason: 'username: looks like one that is taken.' });
    else if (byEmail) refused.push({ line, reason: 'email: is taken.' });
    else if (record.id !== undefined && owners.byId.has(record.id))
      refused.push({ line, reason: 'id: is taken.' });
    else {
      keep(owners, record);
      fresh.push({ line, record });
    }
  }
  return { fresh, present, refused };
}

/**
 * Whether an account with the same username and address exists. For a username made from the address, either of the two
 * usernames counts.
 */
const isPresent = ({ username, otherUsername, email }: ParsedRecord, owners: Owners): boolean =>
  [username, otherUsername].some((name) => {
    const owner = name ? owners.byUsername.get(name.key) : undefined;
    return owner !== undefined && owner.email_key === (email?.key ?? null);
  });

const looksTaken = ({ skeletons }: Username, owners: Owners): boolean =>
  skeletons.some((skeleton) => owners.skeletons.has(skeleton));

/** Uses the other username when the first one was made from the address and is taken. */
function withFreeName({ line, record }: Candidate, owners: Owners): Candidate {
  const { username, otherUsername } = record;
  if (!otherUsername) return { line, record };
  const isTaken = owners.byUsername.has(username.key) || looksTaken(username, owners);
  return { line, record: isTaken ? { ...record, username: otherUsername } : record };
}
