import { User } from '../accounts/user.entity.ts';
import type { PersonalData } from '../platform/personal-data.ts';
import { RecoveryCode } from './recovery-codes/recovery-code.entity.ts';

/** For exportMyData: when the second factor was added, and how many recovery codes are left; null without one. */
export const secondFactorData: PersonalData = {
  section: 'secondFactor',
  collect: async (em, userId) => {
    const user = await em.findOne(User, { id: userId }, { disableIdentityMap: true });
    if (!user?.secondFactorSince) return null;
    return {
      enabledAt: user.secondFactorSince,
      recoveryCodesLeft: await em.count(RecoveryCode, { userId }),
    };
  },
};
