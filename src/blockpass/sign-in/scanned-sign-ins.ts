import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import type { EventFeed } from '../../platform/events/index.ts';

/**
 * Changes sign-ins by QR code for the app that scanned the code. The app knows the session code, and nothing of the
 * page.
 */
export class ScannedSignIns {
  constructor(private readonly feed: EventFeed) {}

  /**
   * Gives the session to the person whose app first brings an authorization code for it; from then on it works for no
   * other person. Everyone who saw the QR code knows the session, even while that person takes pictures of documents.
   * @returns false when another person was first. A session that was not started here counts as free.
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
   * Begins to complete the session. Of several concurrent calls of the app only one may, because Blockpass refuses the
   * others, and a refusal counts as a failure.
   * @returns false when it has ended, or another call is completing it. A session that was not started here may always
   *   be completed.
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

  /** @returns the id by which the page knows the sign-in; null for a session that was not started here. */
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

/**
 * True when the sign-in is running for this person. Its record tells whether one of their calls is completing it
 * already.
 */
const isUnderWay = (blockpassId: string) =>
  sql`state in ('CREATED', 'PROCESSING') and (taken_by is null or taken_by = ${blockpassId})`;
