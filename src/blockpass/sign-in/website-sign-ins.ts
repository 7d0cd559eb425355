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
import type { Caller, RequestSource } from '../../platform/request/index.ts';
import { isUnrevoked } from '../../sessions/index.ts';
import { type BlockpassApi, BlockpassRefused } from '../api/index.ts';
import type { BlockpassIdentities } from './blockpass-identities.ts';
import { BlockpassSignInState } from './blockpass-sign-in.entity.ts';

export const BLOCKPASS_SIGN_IN_RULES = {
  'startBlockpassSignIn.ip': { burst: 30, perSeconds: 300 },
  /** A page that polls asks once a second. */
  'blockpassSignIn.ip': { burst: 600, perSeconds: 300 },
  'completeBlockpassSignIn.ip': { burst: 30, perSeconds: 300 },
} as const;

/** Seconds from the picture to the session: a newcomer takes pictures of documents meanwhile. */
const LIFETIME = 15 * 60;
/** Seconds before the start of a sign-in within which whoever links must have proved who they are. */
const RECENT = 300;

/** Demands that the caller proved who they are within so many seconds. @throws {ReauthenticationRequired} */
export type ProveWithin = (seconds: number) => Promise<unknown>;

/** One sign-in as whoever started it sees it. */
export interface SignInView {
  readonly id: string;
  readonly state: BlockpassSignInState;
  readonly sessionCode: string;
  readonly expiresAt: Date;
}

/** What names a sign-in and proves that one started it. */
export interface SignInClaim {
  readonly id: string;
  readonly secret: string | undefined;
}

/** What `WebsiteSignIns` works with. */
export interface WebsiteSignInsDependencies {
  readonly api: BlockpassApi;
  readonly signIn: SignIn;
  readonly identities: BlockpassIdentities;
  readonly notices: OwnerNotices;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof BLOCKPASS_SIGN_IN_RULES>;
}

/**
 * Sign-ins by QR code, as the page has them. Everybody who sees the code knows what it holds, so it proves nothing: the page that shows it
 * has a secret of its own, and only that turns the sign-in into a session.
 */
export class WebsiteSignIns {
  constructor(private readonly deps: WebsiteSignInsDependencies) {}

  /** @param caller whoever is signed in where it is started: a newcomer's Blockpass identity is linked to them */
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
    if (!row) throw new ServiceUnavailable({ detail: 'Blockpass gave the session of another sign-in' });
    return { ...viewOf(row), secret };
  }

  /** @returns null for everybody but whoever started it. */
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

  /** How sign-ins stand, for those who were found entitled to know. */
  async states(em: EntityManager, ids: readonly string[]): Promise<SignInView[]> {
    const rows = await statement(
      em,
      sql<SignInRow>`select ${viewColumns} from blockpass_sign_in where id = any(${[...ids]}::uuid[])`,
    );
    return rows.map(viewOf);
  }

  /**
   * Turns a sign-in that succeeded into a session, once. The Blockpass identity signs in the account it belongs to; one
   * that belongs to none is linked to the account that was signed in where it all began, or makes a new one. What the
   * person uploaded, an e-mail address for instance, has no part in that.
   * @param prove asked before an account gets another way in: whoever has only stolen a session must not stay
   * @throws {InvalidToken} unknown, not succeeded, expired, used, or somebody else's.
   * @throws {ReauthenticationRequired} it would be linked to an account that was not proved shortly before it began.
   * @throws {Conflict} the account has another Blockpass identity.
   */
  async complete(
    em: EntityManager,
    claim: SignInClaim,
    caller: Caller | null,
    prove: ProveWithin,
    source: RequestSource,
  ): Promise<SignInOutcome> {
    await this.deps.rateLimiter.charge(['completeBlockpassSignIn.ip', source.networks]);
    const { id, secret } = claim;
    if (!isId(id) || secret === undefined) throw new InvalidToken('no claim');
    const secretHash = hashOfSecret(secret);
    const begun = await this.sinceLinkBegan(em, id, secretHash);
    const linker = begun === null ? null : caller;
    if (linker) await prove(RECENT + (begun ?? 0));
    const userId = await this.findAccount(em, id, secretHash, linker, source);
    const holds = (tx: EntityManager) => consume(tx, id, secretHash, userId);
    const outcome = await this.deps.signIn.begin(em, { userId, amr: ['blockpass'], holds }, source);
    if (!outcome) throw new InvalidToken('used meanwhile, or the account is not active');
    return outcome;
  }

  /** @returns seconds since it was started; null when it links nothing. */
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
    id: string,
    secretHash: Buffer,
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
          if (row.starter !== linker?.userId) throw new InvalidToken('whoever started it has signed out');
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

  /** The account before what hangs on it. An owner who got rid of a thief shall not find a link asked for a moment before. */
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
      details: { by: 'blockpass', recordId },
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

/** A success that was not picked up in time is worth nothing any more. */
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
 * By one conditional statement, in the transaction that writes the session: of two at once, one gets it, and none when
 * the identity was unlinked meanwhile.
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

/** Kept for a day, so that a page which comes back late is told what became of it. */
export const oldSignIns = expiredRows(
  'old Blockpass sign-ins',
  'blockpass_sign_in',
  sql`expires_at < now() - interval '1 day'`,
);
