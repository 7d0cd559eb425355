import type { EntityManager } from '@mikro-orm/postgresql';
import { outsideDeadline, sql, statement } from '../../platform/database/index.ts';
import { expiredRows } from '../../platform/housekeeping/expired-rows.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';
import type { BlockpassPerson } from '../records/blockpass-person.ts';
import type { KycVault } from '../records/kyc-vault.ts';
import { PersonMustReturn } from '../records/person-calls.ts';
import type { ScannedSignIns } from './scanned-sign-ins.ts';

/** Seconds of the lease of a completion: longer than its calls of the Blockpass API together. */
const LEASE = 30;
/** Seconds of backoff: two after the first attempt, doubling, at most thirty. A person waits at the page. */
const FIRST_RETRY = 2;
const LONGEST_RETRY = 30;
/** Seconds after which it is given up, because the sign-in has expired by then. */
const PATIENCE = 15 * 60;

/** A completion that this process has leased. */
export interface Completion {
  readonly session_code: string;
  readonly blockpass_id: string;
  readonly sealed_tokens: Buffer;
  readonly attempts: number;
}

/** `later`: Blockpass is unavailable, and the worker makes another attempt. */
export type CompletionOutcome = 'completed' | 'refused' | 'later';

const COLUMNS = sql`session_code, blockpass_id, sealed_tokens, attempts`;

/** The parts that `SignInCompletions` uses. */
export interface SignInCompletionsDependencies {
  readonly api: BlockpassApi;
  readonly person: BlockpassPerson;
  readonly vault: KycVault;
  readonly signIns: ScannedSignIns;
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * Tells Blockpass that a sign-in by QR code is complete, and then the page. A row records that Blockpass must be told.
 * It is written in the transaction of the upload. So Blockpass is told at least once, even if it is unavailable or this
 * process dies meanwhile. A second call changes nothing. If Blockpass refuses the second call, the state of the session
 * shows that it received the first one.
 */
export class SignInCompletions {
  constructor(private readonly deps: SignInCompletionsDependencies) {}

  /**
   * Writes the row in the transaction of the caller, who makes the first attempt after the commit.
   * @returns null when the sign-in has ended, or another call of the app is completing it.
   */
  async note(
    tx: EntityManager,
    sessionCode: string,
    { blockpassId, tokens }: { readonly blockpassId: string; readonly tokens: TokenSet },
    recordId: string,
  ): Promise<Completion | null> {
    if (!(await this.deps.signIns.beginEnd(tx, sessionCode, blockpassId, recordId))) return null;
    const [noted] = await statement(
      tx,
      sql<Completion>`
        insert into blockpass_completion (session_code, blockpass_id, sealed_tokens, due_at)
        values (${sessionCode}, ${blockpassId}, ${this.deps.vault.sealTokens(blockpassId, tokens)},
                now() + make_interval(secs => ${LEASE}))
        on conflict (session_code) do nothing returning ${COLUMNS}`,
    );
    return noted ?? null;
  }

  /** Leases a completion that is due, even if another process began it. */
  async claim(em: EntityManager): Promise<Completion | undefined> {
    const [claimed] = await statement(
      em,
      sql<Completion>`
        update blockpass_completion set due_at = now() + make_interval(secs => ${LEASE}), attempts = attempts + 1
        where session_code = (
          select session_code from blockpass_completion
          where due_at <= now() and created_at > now() - make_interval(secs => ${PATIENCE})
          order by due_at limit 1 for update skip locked
        )
        returning ${COLUMNS}`,
    );
    return claimed;
  }

  /** Makes one attempt. It never rejects: the upload is stored already, and the row causes another attempt. */
  attempt(em: EntityManager, completion: Completion): Promise<CompletionOutcome> {
    // It goes on when the operation that began it reaches its deadline.
    return outsideDeadline(async () => {
      try {
        const outcome = await this.tell(em.fork(), completion);
        await this.settle(em.fork(), completion, outcome);
        return outcome;
      } catch (error) {
        this.deps.warn('a Blockpass sign-in cannot be completed yet', error);
        await this.putOff(em.fork(), completion).catch(() => {});
        return 'later';
      }
    });
  }

  /** @throws {BlockpassAway} it is unknown whether Blockpass received the call. */
  private async tell(em: EntityManager, completion: Completion): Promise<'completed' | 'refused'> {
    const { session_code: sessionCode, blockpass_id: blockpassId } = completion;
    const known = this.deps.vault.openTokens(blockpassId, completion.sealed_tokens);
    const person = this.deps.person.ofHandshake(em, { blockpassId, tokens: known });
    const signInId = await this.deps.signIns.idOf(em, sessionCode);
    try {
      await person.ask((tokens) => this.deps.api.completeSession(tokens, sessionCode, signInId));
      return 'completed';
    } catch (error) {
      if (!(error instanceof BlockpassRefused || error instanceof PersonMustReturn)) throw error;
      // Blockpass may have received an earlier attempt whose answer was lost.
      if (await this.deps.api.isSessionCompleted(sessionCode)) return 'completed';
      this.deps.warn('Blockpass refused to complete a sign-in', error);
      return 'refused';
    } finally {
      if (person.tokens !== known) await this.keep(em, completion, person.tokens).catch(() => {});
    }
  }

  /** Stores renewed tokens, because the old ones are void. */
  private async keep(
    em: EntityManager,
    { session_code, blockpass_id }: Completion,
    tokens: TokenSet,
  ): Promise<void> {
    const sealed = this.deps.vault.sealTokens(blockpass_id, tokens);
    await statement(
      em,
      sql`update blockpass_completion set sealed_tokens = ${sealed} where session_code = ${session_code}`,
    );
  }

  private settle(
    em: EntityManager,
    { session_code, blockpass_id }: Completion,
    outcome: 'completed' | 'refused',
  ): Promise<void> {
    return em.transactional(async (tx) => {
      if (outcome === 'completed') await this.deps.signIns.succeed(tx, session_code, blockpass_id);
      else await this.deps.signIns.fail(tx, session_code, blockpass_id);
      await statement(tx, sql`delete from blockpass_completion where session_code = ${session_code}`);
    });
  }

  private async putOff(em: EntityManager, { session_code, attempts }: Completion): Promise<void> {
    const seconds = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(attempts - 1, 10));
    await statement(
      em,
      sql`update blockpass_completion set due_at = now() + make_interval(secs => ${seconds})
          where session_code = ${session_code} and attempts = ${attempts}`,
    );
  }
}

export const oldCompletions = expiredRows(
  'Blockpass sign-ins that could not be completed',
  'blockpass_completion',
  sql`created_at < now() - make_interval(secs => ${PATIENCE})`,
);
