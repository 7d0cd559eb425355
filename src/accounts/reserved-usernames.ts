import { usernameSkeletons } from './username-skeleton.ts';

/** Names that pretend to be the operator of the service, or that collide with words of programs. */
const RESERVED =
  `abuse admin administrator anonymous api auth everyone gatehouse graphql guest help hostmaster info me moderator
   no-reply noreply nobody null official operator owner postmaster root security staff superuser support sysadmin
   system undefined unknown user webmaster`.split(/\s+/);

/** Skeletons of the reserved names in their usual spellings, without separators. */
const RESERVED_SKELETONS = new Set(
  RESERVED.flatMap((name) =>
    [name, name.toUpperCase(), name.charAt(0).toUpperCase() + name.slice(1)].flatMap((spelling) =>
      usernameSkeletons(spelling, name).map(withoutSeparators),
    ),
  ),
);

/** Whether a username with these skeletons is reserved, or looks like a reserved one. */
export const isReserved = (skeletons: readonly string[]): boolean =>
  skeletons.some((skeleton) => RESERVED_SKELETONS.has(withoutSeparators(skeleton)));

function withoutSeparators(skeleton: string): string {
  return skeleton.replace(/[._-]/g, '');
}
