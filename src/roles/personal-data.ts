import type { PersonalData } from '../platform/personal-data.ts';
import { RoleGrant } from './role-grant.entity.ts';

/** The roles of a person, and since when. */
export const roleData: PersonalData = {
  section: 'roles',
  collect: async (em, userId) => {
    const grants = await em.find(RoleGrant, { userId }, { populate: ['role'] });
    return grants.map(({ role, grantedAt }) => ({ name: role.name, grantedAt }));
  },
};
