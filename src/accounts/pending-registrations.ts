import type { EntityManager } from '@mikro-orm/postgresql';
import type { StoredPassword } from '../passwords/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { newId } from '../platform/id.ts';
import { emailKey } from './email-address.ts';
import { PendingRegistration } from './pending-registration.entity.ts';
import { type Username, usernameKey } from './username.ts';
import { reserveUsername } from './username-reservation.ts';

/** Seconds for which a registration waits for its confirmation, and its username stays reserved. */
const LIFETIME = 24 * 3600;

export interface ParsedRegistration {
  username: Username;
  email: { email: string; key: string };
  displayName: string | null;
}

/** Registrations whose address is not proved yet. */
export const pendingRegistrations = {
  /** Makes one, whether or not the address is taken. @throws {Conflict} the username is taken. */
  async create(
    tx: EntityManager,
    { username, email, displayName }: ParsedRegistration,
    { hash, pepperId }: StoredPassword,
  ): Promise<PendingRegistration> {
    await reserveUsername(tx, username);
    const pending = tx.create(PendingRegistration, {
      id: newId(),
      username: username.username,
      usernameKey: username.key,
      usernameSkeletons: username.skeletons,
      email: email.email,
      emailKey: email.key,
      displayName,
      hash,
      pepperId,
      expiresAt: new Date(Date.now() + LIFETIME * 1000),
    });
    await tx.persist(pending).flush();
    return pending;
  },

  /** Finds the registration with this username, or the newest with this address. */
  async findByIdentifier(em: EntityManager, identifier: string): Promise<PendingRegistration | null> {
    const where = identifier.includes('@')
      ? { emailKey: emailKey(identifier) }
      : { usernameKey: usernameKey(identifier) };
    return em.findOne(
      PendingRegistration,
      { ...where, expiresAt: { $gt: new Date() } },
      { orderBy: { createdAt: 'desc', id: 'desc' } },
    );
  },

  find(em: EntityManager, id: string): Promise<PendingRegistration | null> {
    return em.findOne(PendingRegistration, { id, expiresAt: { $gt: new Date() } });
  },

  /** Lists the registrations with this address, the newest first. */
  listByAddress(em: EntityManager, addressKey: string, limit: number): Promise<PendingRegistration[]> {
    return em.find(
      PendingRegistration,
      { emailKey: addressKey, expiresAt: { $gt: new Date() } },
      { orderBy: { createdAt: 'desc', id: 'desc' }, limit },
    );
  },

  /** Whether any registration waits for this address. */
  async waitFor(em: EntityManager, addressKey: string): Promise<boolean> {
    return (await this.listByAddress(em, addressKey, 1)).length > 0;
  },

  /**
   * Consumes a registration by one conditional statement, so that only one of several concurrent calls makes the
   * account.
   */
  async claim(tx: EntityManager, id: string): Promise<PendingRegistration | null> {
    const pending = await this.find(tx, id);
    const claimed = await tx.nativeDelete(PendingRegistration, { id });
    return claimed > 0 ? pending : null;
  },

  /** Removes all registrations of an address that belongs to an account now, so that none of them can be confirmed. */
  async dropOthers(tx: EntityManager, addressKey: string): Promise<void> {
    await statement(
      tx,
      sql`with dropped as (delete from pending_registration where email_key = ${addressKey} returning id),
               marks as (delete from registration_mark where registration_id in (select id from dropped))
          delete from one_time_token where user_id in (select id from dropped)`,
    );
  },
};

export const expiredRegistrations = expiredRows(
  'expired registrations',
  'pending_registration',
  sql`expires_at < now()`,
);
