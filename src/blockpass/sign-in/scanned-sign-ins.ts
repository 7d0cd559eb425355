import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import type { EventFeed } from '../../platform/events/index.ts';

/** Sign-ins by QR code, as the app that scanned one moves them on: it knows the session code, and nothing of the page. */
export class ScannedSignIns {
  constructor(private readonly feed: EventFeed) {}

  /**
   * Somebody's app has brought a code for the session: from now on it is theirs, and dead for others. Everybody who saw
   * the QR code knows the session, also while its owner takes pictures of documents.
   * @returns false when somebody else was first. Sessions that were not started here are nobody's.
   */
  async take(em: EntityManager, sessionCode: string, blockpassId: string): Promise<boolean> {
    const change = sql`state = 'PROCESSING', taken_by = ${blockpassId}`;
    if (await this.move(em, sessionCode, change, sql`state = 'CREATED'`)) return true;
    const rows = await statement(
      em,
      sql`select from blockpass_sign_in where session_code = ${sessionCode} and taken_by <> ${blockpassId}`,
    );
    return rows.length === 0;
  }

  /**
   * One call of the app ends the session, of several at once: Blockpass refuses the others, and a refusal is a failure.
   * @returns false when it has ended or another call is at it. Sessions that others started are anybody's to end.
   */
  async beginEnd(
    em: EntityManager,
    sessionCode: string,
    blockpassId: string,
    recordId: string,
  ): Promise<boolean> {
    const claimed = await statement(
      em,
      sql`update blockpass_sign_in set record_id = ${recordId}
          where session_code = ${sessionCode} and record_id is null and ${isUnderWay(blockpassId)} returning id`,
    );
    if (claimed.length > 0) return true;
    const known = await statement(em, sql`select from blockpass_sign_in where session_code = ${sessionCode}`);
    return known.length === 0;
  }

  /** @returns the id by which its page knows it; null for a session that was not started here. */
  async idOf(em: EntityManager, sessionCode: string): Promise<string | null> {
    const [row] = await statement(
      em,
      sql<{ id: string }>`select id from blockpass_sign_in where session_code = ${sessionCode}`,
    );
    return row?.id ?? null;
  }

  succeed(em: EntityManager, sessionCode: string, blockpassId: string): Promise<boolean> {
    return this.move(em, sessionCode, sql`state = 'SUCCESS'`, isUnderWay(blockpassId));
  }

  fail(em: EntityManager, sessionCode: string, blockpassId: string): Promise<boolean> {
    return this.move(em, sessionCode, sql`state = 'FAILED'`, isUnderWay(blockpassId));
  }

  private move(
    em: EntityManager,
    sessionCode: string,
    change: ReturnType<typeof sql>,
    when: ReturnType<typeof sql>,
  ): Promise<boolean> {
    return em.transactional(async (tx) => {
      const moved = await statement(
        tx,
        sql`update blockpass_sign_in set ${change}
            where session_code = ${sessionCode} and ${when} and expires_at > now() returning id`,
      );
      if (moved.length > 0) await this.feed.announce(tx, 'sign-ins');
      return moved.length > 0;
    });
  }
}

/** For the person; whether one of their calls is ending it already is said by its record. */
const isUnderWay = (blockpassId: string) =>
  sql`state in ('CREATED', 'PROCESSING') and (taken_by is null or taken_by = ${blockpassId})`;
