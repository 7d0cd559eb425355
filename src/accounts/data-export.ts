import type { EntityManager } from '@mikro-orm/postgresql';
import { Unauthenticated } from '../platform/errors.ts';
import type { PersonalData } from '../platform/personal-data.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { readAccount } from './account-read.ts';

export const DATA_EXPORT_RULES = {
  'exportMyData.account': { burst: 5, perSeconds: 3600, counts: 'account' },
} as const;

/** Collects all data about a person, for that person (GDPR article 15). */
export class DataExport {
  constructor(
    private readonly sources: readonly PersonalData[],
    private readonly rateLimiter: RateLimiter<keyof typeof DATA_EXPORT_RULES>,
  ) {}

  async of(em: EntityManager, userId: string): Promise<Record<string, unknown>> {
    await this.rateLimiter.charge(['exportMyData.account', userId]);
    const account = await readAccount(em, userId);
    if (!account) throw new Unauthenticated('the account is gone');
    const sections: Record<string, unknown> = { exportedAt: new Date(), account };
    for (const source of this.sources) sections[source.section] = await source.collect(em, userId);
    return JSON.parse(JSON.stringify(sections)) as Record<string, unknown>;
  }
}
