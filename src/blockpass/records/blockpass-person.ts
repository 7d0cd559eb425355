import { setTimeout as delay } from 'node:timers/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import { outsideDeadline, sql, statement } from '../../platform/database/index.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';
import type { KycRecord } from './kyc-record.entity.ts';
import type { KycVault } from './kyc-vault.ts';
import { PersonCalls, PersonMustReturn } from './person-calls.ts';

/**
 * Seconds for which one process renews the tokens of a record alone: twice the time limit of a call of the Blockpass
 * API.
 */
const RENEWAL_LEASE = 10;
/** Milliseconds between two queries while another process renews. */
const LOOK_INTERVAL = 100;

interface KeptTokens {
  id: string;
  sealed_tokens: Buffer;
}

/**
 * Calls Blockpass for people, with tokens from an earlier call of the app.
 *
 * A renewal may void the old tokens, so concurrent calls share one renewal: within a process by a promise, between
 * processes by a lease on the record. If a process dies between the answer of Blockpass and its commit, the new tokens
 * are lost. Then the person must come back through the app.
 */
export class BlockpassPerson {
  /** Running renewals of this process, by the access token that they replace. */
  private readonly renewals = new Map<string, Promise<TokenSet>>();

  constructor(
    private readonly api: BlockpassApi,
    private readonly vault: KycVault,
  ) {}

  /** Calls with the tokens in the record. */
  of(em: EntityManager, { blockpassId, sealedTokens }: KycRecord): PersonCalls {
    const kept = this.vault.openTokens(blockpassId, sealedTokens);
    const fresh = em.fork();
    return new PersonCalls(this.api, kept, (known) =>
      this.share(known, () => this.renewKept(fresh, blockpassId, known)),
    );
  }

  /**
   * Calls with the tokens of one call of the app. Only these can complete the session of its QR code, because they are
   * from the handshake that named it. The person need not have a record yet, and the record may have other tokens.
   */
  ofHandshake(
    em: EntityManager,
    { blockpassId, tokens }: { readonly blockpassId: string; readonly tokens: TokenSet },
  ): PersonCalls {
    const fresh = em.fork();
    return new PersonCalls(this.api, tokens, (known) =>
      this.share(known, () => this.renewOfHandshake(fresh, blockpassId, known)),
    );
  }

  private share(known: TokenSet, renew: () => Promise<TokenSet>): Promise<TokenSet> {
    const running = this.renewals.get(known.accessToken);
    if (running) return running;
    // Other operations wait for it too, so it does not end with the operation that began it.
    const renewal = outsideDeadline(renew).finally(() => this.renewals.delete(known.accessToken));
    this.renewals.set(known.accessToken, renewal);
    return renewal;
  }

  private async renewOfHandshake(em: EntityManager, blockpassId: string, known: TokenSet): Promise<TokenSet> {
    const kept = this.open(blockpassId, await this.read(em, blockpassId));
    if (kept?.accessToken === known.accessToken) return this.renewKept(em, blockpassId, known);
    try {
      return await this.api.refresh(known);
    } catch (error) {
      if (!(error instanceof BlockpassRefused)) throw error;
      // These tokens may be the ones that the record had before a renewal.
      if (!kept) throw new PersonMustReturn(error);
      return kept;
    }
  }

  /** Renews the tokens of the record. @returns tokens other than the known ones, which the record has from now on. */
  private async renewKept(em: EntityManager, blockpassId: string, known: TokenSet): Promise<TokenSet> {
    for (;;) {
      const row = await this.read(em, blockpassId);
      const kept = this.open(blockpassId, row);
      if (!row || !kept) throw new PersonMustReturn('the record was deleted');
      if (kept.accessToken !== known.accessToken) return kept;
      if (await this.claim(em, row)) return this.renewClaimed(em, blockpassId, row, known);
      await delay(LOOK_INTERVAL);
    }
  }

  private async renewClaimed(
    em: EntityManager,
    blockpassId: string,
    { id, sealed_tokens: old }: KeptTokens,
    known: TokenSet,
  ): Promise<TokenSet> {
    try {
      const fresh = await this.api.refresh(known);
      const sealed = this.vault.sealTokens(blockpassId, fresh);
      // Newer tokens, which the app brought meanwhile, stay.
      await statement(
        em,
        sql`update kyc_record set sealed_tokens = ${sealed}, renewal_until = null
            where id = ${id} and sealed_tokens = ${old}`,
      );
      return fresh;
    } catch (error) {
      // The caller must get the first error. If this statement fails, the lease still expires.
      await statement(
        em,
        sql`update kyc_record set renewal_until = null where id = ${id} and sealed_tokens = ${old}`,
      ).catch(() => {});
      if (!(error instanceof BlockpassRefused)) throw error;
      const latest = this.open(blockpassId, await this.read(em, blockpassId));
      if (!latest || latest.accessToken === known.accessToken) throw new PersonMustReturn(error);
      return latest;
    }
  }

  private async claim(em: EntityManager, { id, sealed_tokens }: KeptTokens): Promise<boolean> {
    const claimed = await statement(
      em,
      sql`update kyc_record set renewal_until = now() + make_interval(secs => ${RENEWAL_LEASE})
          where id = ${id} and sealed_tokens = ${sealed_tokens}
            and (renewal_until is null or renewal_until < now()) returning id`,
    );
    return claimed.length > 0;
  }

  private async read(em: EntityManager, blockpassId: string): Promise<KeptTokens | undefined> {
    const [row] = await statement(
      em,
      sql<KeptTokens>`select id, sealed_tokens from kyc_record where blockpass_id = ${blockpassId}`,
    );
    return row;
  }

  private open(blockpassId: string, row: KeptTokens | undefined): TokenSet | undefined {
    return row && this.vault.openTokens(blockpassId, row.sealed_tokens);
  }
}
