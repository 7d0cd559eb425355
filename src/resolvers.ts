import { AccountEndResolver, AccountResolver, EmailResolver } from './accounts/index.ts';
import { AdministrationResolver } from './administration/index.ts';
import { AuditResolver } from './audit/index.ts';
import { AuthenticationResolver, RecoveryCodeTokensResolver } from './authentication/index.ts';
import { RecoveryCodeResolver, TotpResolver } from './authenticators/index.ts';
import {
  BlockpassSignInResolver,
  KycItemResolver,
  KycRecordResolver,
  KycUserResolver,
} from './blockpass/index.ts';
import { GoogleResolver } from './google/index.ts';
import { ErrorCodesResolver, type ResolverClasses } from './graphql/index.ts';
import { PasswordResolver } from './passwords/index.ts';
import { RecoveryResolver } from './recovery/index.ts';
import { RoleResolver } from './roles/index.ts';
import { ServiceTokenResolver, SessionResolver } from './sessions/index.ts';

/** Every resolver of the schema. */
export const RESOLVERS: ResolverClasses = [
  AccountResolver,
  AccountEndResolver,
  EmailResolver,
  AuthenticationResolver,
  RecoveryCodeTokensResolver,
  GoogleResolver,
  RecoveryResolver,
  TotpResolver,
  RecoveryCodeResolver,
  PasswordResolver,
  SessionResolver,
  ServiceTokenResolver,
  RoleResolver,
  AdministrationResolver,
  AuditResolver,
  BlockpassSignInResolver,
  KycRecordResolver,
  KycItemResolver,
  KycUserResolver,
  ErrorCodesResolver,
];
