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

  succeed(em: EntityManager, sessionCode: string, blockpassId: string, recordId: string): Promise<boolean> {
    const change = sql`state = 'SUCCESS', record_id = ${recordId}`;
    return this.move(em, sessionCode, change, isUnderWay(blockpassId));
  }

  fail(em: EntityManager, sessionCode: string, blockpassId: string): Promise<boolean> {
    return this.move(em, sessionCode, sql`state = 'FAILED'`, isUnderWay(blockpassId));
  }

  /** Whether the session has ended already, one way or the other. Sessions that others started are not known here. */
  async isOver(em: EntityManager, sessionCode: string): Promise<boolean> {
    const rows = await statement(
      em,
      sql`select from blockpass_sign_in where session_code = ${sessionCode} and state in ('SUCCESS', 'FAILED')`,
    );
    return rows.length > 0;
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

const isUnderWay = (blockpassId: string) =>
  sql`state in ('CREATED', 'PROCESSING') and (taken_by is null or taken_by = ${blockpassId})`;
