import type { AuthenticationServices } from '../authentication/index.ts';
import type { NoticeServices } from '../notices/index.ts';
import type { PlatformServices } from '../platform/compose.ts';
import type { Composed } from '../platform/module-type.ts';
import type { ContextOf, Demand } from '../platform/request/index.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import { InvalidSettings } from '../platform/settings.ts';
import type { SessionServices } from '../sessions/index.ts';
import { BlockpassApi } from './api/index.ts';
import { AppCalls } from './app/app-calls.ts';
import { blockpassRoutes } from './app/blockpass.routes.ts';
import { PictureDecoder } from './app/picture-decoder.ts';
import { readWalletImportFormat } from './protocol/index.ts';
import { BlockpassPerson } from './records/blockpass-person.ts';
import { Evidence } from './records/evidence.ts';
import { abandonedRecords, KycRecords } from './records/kyc-records.ts';
import { KycSubmissions } from './records/kyc-submissions.ts';
import { KycVault } from './records/kyc-vault.ts';
import { KycData } from './records/personal-data.ts';
import { expiredReceipts, expiredUploadTokens, UploadTokens } from './records/upload-tokens.ts';
import { CertificateIssuer, type CertificateIssuing } from './review/certificate-issuer.ts';
import { KycItemResolver, KycRecordResolver, KycUserResolver } from './review/kyc.resolver.ts';
import { kycFileRoutes } from './review/kyc-file.routes.ts';
import { KycReview } from './review/kyc-review.ts';
import { KycValues } from './review/kyc-values.ts';
import { OpenEvidence } from './review/open-evidence.ts';
import type { BLOCKPASS_SETTINGS } from './settings.ts';
import { BlockpassIdentities } from './sign-in/blockpass-identities.ts';
import { BlockpassSignInResolver, bindingCookieName } from './sign-in/blockpass-sign-in.resolver.ts';
import { CompletionWorker } from './sign-in/completion-worker.ts';
import { blockpassProvider } from './sign-in/provider.ts';
import { ScannedSignIns } from './sign-in/scanned-sign-ins.ts';
import { oldCompletions, SignInCompletions } from './sign-in/sign-in-completions.ts';
import { SignInWatch } from './sign-in/sign-in-watch.ts';
import { oldSignIns, WebsiteSignIns } from './sign-in/website-sign-ins.ts';

/**
 * Sign-in by the Blockpass app, the KYC records that it fills, and their review.
 * @throws {InvalidSettings} the key for certificates has another checksum than its characters.
 */
export function composeBlockpass({
  config: { blockpass },
  platform,
  notices: { notices },
  sessions: { revocations, cookieStyle },
  http: { contexts },
  authentication: { signIn, tokenDelivery, deliversCookies },
  graphql: { demand },
}: {
  config: ConfigOf<typeof BLOCKPASS_SETTINGS>;
  platform: PlatformServices;
  notices: NoticeServices;
  sessions: SessionServices;
  http: { readonly contexts: { readonly of: ContextOf } };
  authentication: AuthenticationServices;
  graphql: { readonly demand: Demand };
}) {
  const { clock, warn, closing, rateLimiter, fork, feed, audit, box } = platform;
  const identities = new BlockpassIdentities();
  const vault = new KycVault(box);
  const api = new BlockpassApi(blockpass, clock);
  const evidence = new Evidence(api, blockpass);
  const records = new KycRecords(vault, blockpass);
  const websiteSignIns = new WebsiteSignIns({
    api,
    signIn,
    identities,
    notices,
    audit,
    rateLimiter,
  });
  const watch = new SignInWatch(websiteSignIns, fork, feed, warn);
  closing.push(async () => watch.stop());
  const person = new BlockpassPerson(api, vault);
  const issuing = certificateIssuing(blockpass);
  const review = new KycReview({
    api,
    person,
    records,
    openEvidence: new OpenEvidence(person, records, evidence, vault),
    vault,
    audit,
    certificates: issuing && new CertificateIssuer({ api, person, records, vault, clock, issuing }),
    warn,
  });
  const scannedSignIns = new ScannedSignIns(feed);
  const completions = new SignInCompletions({ api, person, vault, signIns: scannedSignIns, warn });
  const appCalls = new AppCalls({
    api,
    records,
    submissions: new KycSubmissions(vault, revocations, audit),
    vault,
    uploadTokens: new UploadTokens(vault),
    person,
    evidence,
    signIns: scannedSignIns,
    completions,
    pictures: new PictureDecoder(),
    rateLimiter,
    requirements: blockpass,
  });
  return {
    identityProviders: [blockpassProvider(identities, blockpass.enabled)],
    cookieNames: [bindingCookieName(cookieStyle)],
    resolvers: [
      new BlockpassSignInResolver({
        signIns: websiteSignIns,
        watch,
        delivery: tokenDelivery,
        cookies: cookieStyle,
        demand,
        options: {
          ...blockpass,
          bindingCookie: deliversCookies,
        },
      }),
      new KycRecordResolver({ review, records, vault, requirements: blockpass, audit }),
      new KycItemResolver(new KycValues(vault, audit), demand, platform.publicUrl),
      new KycUserResolver(records),
    ],
    routes: blockpass.enabled ? [blockpassRoutes(appCalls, contexts.of, blockpass)] : [],
    guardedRoutes: [kycFileRoutes(vault, audit, demand, contexts.of)],
    personalData: [new KycData(vault)],
    workers: blockpass.enabled ? [new CompletionWorker(completions, fork, warn)] : [],
    chores: [expiredUploadTokens, expiredReceipts, oldCompletions, oldSignIns, abandonedRecords],
  } satisfies Composed;
}

function certificateIssuing({
  issuing,
  clientId,
  baseUrl,
}: ConfigOf<typeof BLOCKPASS_SETTINGS>['blockpass']): CertificateIssuing | undefined {
  if (!issuing) return undefined;
  const { signingKey, slug, legalName, logo } = issuing;
  const organization = { identifier: clientId, legalName, ...(logo !== undefined && { logo }) };
  try {
    return { key: readWalletImportFormat(signingKey), slug, baseUrl, organization };
  } catch (error) {
    throw new InvalidSettings([`BLOCKPASS_SIGNING_KEY ${(error as Error).message}`]);
  }
}
