import { ALL_RIGHTS, type Module, NO_UPDATE } from '../platform/module-type.ts';
import { BLOCKPASS_APP_RULES } from './app/app-calls.ts';
import { BLOCKPASS_CHECKS } from './checks.ts';
import { composeBlockpass } from './compose.ts';
import { KycItem } from './records/kyc-item.entity.ts';
import { KycRecord } from './records/kyc-record.entity.ts';
import { UploadReceipt } from './records/upload-receipt.entity.ts';
import { UploadToken } from './records/upload-token.entity.ts';
import { KycItemResolver, KycRecordResolver, KycUserResolver } from './review/kyc.resolver.ts';
import { KycPermission } from './review/permissions.ts';
import { BLOCKPASS_SETTINGS } from './settings.ts';
import { BlockpassCompletion } from './sign-in/blockpass-completion.entity.ts';
import { BlockpassSignIn } from './sign-in/blockpass-sign-in.entity.ts';
import { BlockpassSignInResolver } from './sign-in/blockpass-sign-in.resolver.ts';
import { BLOCKPASS_NOTICES } from './sign-in/provider.ts';
import { BLOCKPASS_SIGN_IN_RULES } from './sign-in/website-sign-ins.ts';

/** Sign-in by the Blockpass app, and KYC records. */
export const blockpass = {
  name: 'blockpass',
  tables: {
    kyc_record: { entity: KycRecord, rights: ALL_RIGHTS },
    kyc_item: { entity: KycItem, rights: ALL_RIGHTS },
    upload_pass: { entity: UploadToken, rights: NO_UPDATE },
    upload_receipt: { entity: UploadReceipt, rights: NO_UPDATE },
    blockpass_sign_in: { entity: BlockpassSignIn, rights: ALL_RIGHTS },
    blockpass_completion: { entity: BlockpassCompletion, rights: ALL_RIGHTS },
  },
  resolvers: [BlockpassSignInResolver, KycRecordResolver, KycItemResolver, KycUserResolver],
  permissions: [KycPermission],
  rateLimits: { ...BLOCKPASS_APP_RULES, ...BLOCKPASS_SIGN_IN_RULES },
  settings: [BLOCKPASS_SETTINGS],
  notices: BLOCKPASS_NOTICES,
  checks: BLOCKPASS_CHECKS,
  compose: composeBlockpass,
} as const satisfies Module;
