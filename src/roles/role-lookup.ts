import type { EntityManager } from '@mikro-orm/postgresql';
import { Role } from './role.entity.ts';

/** PostgreSQL takes no text with a NUL character, so that no role has such a name. */
export const findRole = async (em: EntityManager, name: string): Promise<Role | null> =>
  name.includes('\0') ? null : em.findOne(Role, { name });
