import type { EntityManager } from '@mikro-orm/postgresql';
import { lockActiveAccount, registerFederated } from '../../accounts/index.ts';
import type { SignIn, SignInOutcome } from '../../authentication/index.ts';
import type { OwnerNotices } from '../../notices/index.ts';
import type { AuditLog } from '../../platform/audit/index.ts';
import { sql, statement, violatedUniqueConstraint } from '../../platform/database/index.ts';
import { Conflict, InvalidToken, ServiceUnavailable, Unauthenticated } from '../../platform/errors.ts';
import { expiredRows } from '../../platform/housekeeping/expired-rows.ts';
import { isId, newId } from '../../platform/id.ts';
import { hashOfSecret, isSecretOf, newSecret } from '../../platform/one-time-secret.ts';
import type { RateLimiter } from '../../platform/rate-limit/index.ts';
import { type Caller, RECENT_FOR_OWNERS, type RequestSource } from '../../platform/request/index.ts';
import { isUnrevoked } from '../../sessions/index.ts';
import { type BlockpassApi, BlockpassRefused } from '../api/index.ts';
import type { BlockpassIdentities } from './blockpass-identities.ts';
import { BlockpassSignInState } from './blockpass-sign-in.entity.ts';
import { BLOCKPASS, type BLOCKPASS_NOTICES } from './provider.ts';

export const BLOCKPASS_SIGN_IN_RULES = {
  'startBlockpassSignIn.ip': { burst: 30, perSeconds: 300, counts: 'IP' },
  /** Enough for a page that polls once a second. */
  'blockpassSignIn.ip': { burst: 600, perSeconds: 300, counts: 'IP' },
  'completeBlockpassSignIn.ip': { burst: 30, perSeconds: 300, counts: 'IP' },
} as const;

/** Seconds from the QR code to the session, because a new person takes pictures of documents meanwhile. */
const LIFETIME = 15 * 60;

/** A signed-in caller, to whose account a new Blockpass identity may be linked. */
export interface Linker {
  readonly caller: Caller;
  /**
   * Requires that the caller authenticated within so many seconds. It is called before an identity is linked, so that
   * the thief of a session cannot add a way to sign in.
   * @throws {ReauthenticationRequired}
   */
  prove(seconds: number): Promise<unknown>;
}

/** A sign-in as the client that started it sees it. */
export interface SignInView {
  readonly id: string;
  readonly state: BlockpassSignInState;
  readonly sessionCode: string;
  readonly expiresAt: Date;
}

/** The id of a sign-in, and the secret that proves that the client started it. */
export interface SignInClaim {
  readonly id: string;
  readonly secret: string | undefined;
}

/** The parts that `WebsiteSignIns` uses. */
export interface WebsiteSignInsDependencies {
  readonly api: BlockpassApi;
  readonly signIn: SignIn;
  readonly identities: BlockpassIdentities;
  readonly notices: OwnerNotices<keyof typeof BLOCKPASS_NOTICES>;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof BLOCKPASS_SIGN_IN_RULES>;
}

/**
 * Starts and completes sign-ins by QR code for the page. Everyone who sees the QR code knows its content, so it proves
 * nothing. The page has a secret of its own, and only this secret turns the sign-in into a session.
 */
export class WebsiteSignIns {
  constructor(private readonly deps: WebsiteSignInsDependencies) {}

  /** @param caller the signed-in account at the start, to which a new Blockpass identity is linked */
  async start(
    em: EntityManager,
    caller: Caller | null,
    source: RequestSource,
  ): Promise<SignInView & { secret: string }> {
    await this.deps.rateLimiter.charge(['startBlockpassSignIn.ip', source.networks]);
    const sessionCode = await this.deps.api.createSession().catch((cause) => {
      if (cause instanceof BlockpassRefused) throw new ServiceUnavailable({ detail: cause.message, cause });
      throw cause;
    });
    const secret = newSecret();
    const [row] = await statement(
      em,
      sql<SignInRow>`
        insert into blockpass_sign_in (id, secret_hash, session_code, user_id, expires_at)
        values (${newId()}, ${hashOfSecret(secret)}, ${sessionCode}, ${caller?.userId ?? null},
                now() + make_interval(secs => ${LIFETIME}))
        on conflict (session_code) do nothing
        returning ${viewColumns}`,
    );
    if (!row)
      throw new ServiceUnavailable({ detail: 'Blockpass returned the session code of another sign-in' });
    return { ...viewOf(row), secret };
  }

  /** @returns null when the client did not start the sign-in. */
  async look(em: EntityManager, claim: SignInClaim, source: RequestSource): Promise<SignInView | null> {
    await this.deps.rateLimiter.charge(['blockpassSignIn.ip', source.networks]);
    const { id, secret } = claim;
    if (!isId(id) || secret === undefined) return null;
    const [row] = await statement(
      em,
      sql<SignInRow & { secret_hash: Buffer }>`
        select ${viewColumns}, secret_hash from blockpass_sign_in where id = ${id}`,
    );
    return row && isSecretOf(secret, row.secret_hash) ? viewOf(row) : null;
  }

  /** The state of sign-ins, for clients whose secret was checked before. */
  async states(em: EntityManager, ids: readonly string[]): Promise<SignInView[]> {
    const rows = await statement(
      em,
      sql<SignInRow>`select ${viewColumns} from blockpass_sign_in where id = any(${[...ids]}::uuid[])`,
    );
    return rows.map(viewOf);
  }

  /**
   * Turns a succeeded sign-in into a session, once. A known Blockpass identity signs in to its account. A new one is
   * linked to the account that was signed in at the start, or gets a new account. Uploaded data, such as an e-mail
   * address, plays no part in that.
   * @param linker null for a client that is not signed in
   * @throws {InvalidToken} unknown, not succeeded, expired, used, or started by another client.
   * @throws {ReauthenticationRequired} the caller did not authenticate shortly before the sign-in began.
   * @throws {Conflict} the account has another Blockpass identity.
   */
  async complete(
    em: EntityManager,
    claim: SignInClaim,
    linker: Linker | null,
    source: RequestSource,
  ): Promise<SignInOutcome> {
    await this.deps.rateLimiter.charge(['completeBlockpassSignIn.ip', source.networks]);
    const { id, secret } = claim;
    if (!isId(id) || secret === undefined) throw new InvalidToken('no claim');
    const secretHash = hashOfSecret(secret);
    const begun = await this.sinceLinkBegan(em, id, secretHash);
    // The age counts at the start of the sign-in: a person may take pictures of documents after it.
    if (begun !== null) await linker?.prove(RECENT_FOR_OWNERS + begun);
    const caller = begun === null ? null : (linker?.caller ?? null);
    const userId = await this.findAccount(em, { id, secretHash }, caller, source);
    const holds = (tx: EntityManager) => consume(tx, id, secretHash, userId);
    const outcome = await this.deps.signIn.begin(em, { userId, amr: [BLOCKPASS.method], holds }, source);
    if (!outcome) throw new InvalidToken('used meanwhile, or the account is not active');
    return outcome;
  }

  /** @returns the seconds since it was started; null when it links nothing. */
  private async sinceLinkBegan(em: EntityManager, id: string, secretHash: Buffer): Promise<number | null> {
    const [row] = await statement(
      em,
      sql<{ seconds: number }>`
        select extract(epoch from now() - s.created_at)::int as seconds
        from blockpass_sign_in s join kyc_record r on r.id = s.record_id
        where s.id = ${id} and s.secret_hash = ${secretHash} and ${isReady}
          and r.user_id is null and s.user_id is not null`,
    );
    return row?.seconds ?? null;
  }

  private async findAccount(
    em: EntityManager,
    { id, secretHash }: { readonly id: string; readonly secretHash: Buffer },
    linker: Caller | null,
    source: RequestSource,
  ): Promise<string> {
    try {
      return await em.transactional(async (tx) => {
        if (linker) await this.lock(tx, linker);
        const [row] = await statement(
          tx,
          sql<{ record_id: string; owner: string | null; starter: string | null }>`
            select s.record_id, r.user_id as owner, s.user_id as starter
            from blockpass_sign_in s join kyc_record r on r.id = s.record_id
            where s.id = ${id} and s.secret_hash = ${secretHash} and ${isReady}
            for update of s, r`,
        );
        if (!row) throw new InvalidToken('no such sign-in that has succeeded');
        if (row.owner !== null) return row.owner;
        if (row.starter !== null) {
          if (row.starter !== linker?.userId)
            throw new InvalidToken('the account that started it is signed out');
          await this.link(tx, row.record_id, row.starter, source);
          return row.starter;
        }
        return this.admitNewcomer(tx, row.record_id, source);
      });
    } catch (error) {
      if (violatedUniqueConstraint(error) === 'kyc_record_user_id_unique') {
        throw new Conflict('This account has another Blockpass identity.');
      }
      throw error;
    }
  }

  /**
   * Locks the account before its record, and checks that the session is not revoked. Otherwise a thief's request could
   * still link an identity just after the owner ended the session.
   */
  private async lock(tx: EntityManager, linker: Caller): Promise<void> {
    if (!(await lockActiveAccount(tx, linker.userId)) || !(await isUnrevoked(tx, linker))) {
      throw new Unauthenticated('the session or the account ended meanwhile');
    }
  }

  private async link(
    tx: EntityManager,
    recordId: string,
    userId: string,
    source: RequestSource,
  ): Promise<void> {
    await this.deps.identities.link(tx, userId, { recordId });
    await this.deps.notices.tell(tx, userId, 'blockpass-linked', source);
    await this.deps.audit.record(tx, source, {
      action: 'blockpass.linked',
      actorId: userId,
      subjectId: userId,
      details: { recordId },
    });
  }

  private async admitNewcomer(tx: EntityManager, recordId: string, source: RequestSource): Promise<string> {
    const { id } = await registerFederated(tx);
    await this.deps.identities.link(tx, id, { recordId });
    await this.deps.audit.record(tx, source, {
      action: 'account.registered',
      actorId: id,
      subjectId: id,
      details: { by: BLOCKPASS.name, recordId },
    });
    return id;
  }
}

interface SignInRow {
  id: string;
  state: BlockpassSignInState;
  session_code: string;
  expires_at: string;
}

/** The columns of a view. A success that was not collected in time counts as expired. */
const viewColumns = sql`
  id, session_code, expires_at,
  case when expires_at <= now() and state <> 'FAILED' then 'EXPIRED' else state end as state`;

const isReady = sql`s.state = 'SUCCESS' and s.consumed_at is null and s.expires_at > now()`;

const viewOf = (row: SignInRow): SignInView => ({
  id: row.id,
  state: row.state,
  sessionCode: row.session_code,
  expiresAt: new Date(row.expires_at),
});

/**
 * Consumes a sign-in by one conditional statement, in the transaction that writes the session. Of two concurrent calls
 * only one gets it, and none if the identity was unlinked meanwhile.
 */
async function consume(tx: EntityManager, id: string, secretHash: Buffer, userId: string): Promise<boolean> {
  const rows = await statement(
    tx,
    sql`update blockpass_sign_in s set consumed_at = now()
        from kyc_record r
        where s.id = ${id} and s.secret_hash = ${secretHash} and ${isReady}
          and r.id = s.record_id and r.user_id = ${userId}
        returning s.id`,
  );
  return rows.length > 0;
}

/** Keeps rows for a day, so that a page that comes back late still learns the outcome. */
export const oldSignIns = expiredRows(
  'old Blockpass sign-ins',
  'blockpass_sign_in',
  sql`expires_at < now() - interval '1 day'`,
);
