import type { PersonalData } from '../platform/personal-data.ts';
import { RoleGrant } from './role-grant.entity.ts';

/** For exportMyData: the roles of a person, and when each was granted. */
export const roleData: PersonalData = {
  section: 'roles',
  collect: async (em, userId) => {
    const grants = await em.find(RoleGrant, { userId }, { populate: ['role'] });
    return grants.map(({ role, grantedAt }) => ({ name: role.name, grantedAt }));
  },
};
