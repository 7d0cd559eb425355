export { AccountResolver } from './account.resolver.ts';
export { UserType } from './account.types.ts';
export { readAccount } from './account-read.ts';
export { emailKey, parseEmailAddress } from './email-address.ts';
export { PROFILE_RULES, Profiles } from './profile.ts';
export { REGISTRATION_RULES, Registration } from './registration.ts';
export { User } from './user.entity.ts';
export { usernameKey } from './username.ts';
