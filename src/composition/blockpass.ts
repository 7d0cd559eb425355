import {
  AppCalls,
  abandonedRecords,
  BlockpassApi,
  BlockpassPerson,
  BlockpassSignInResolver,
  bindingCookieName,
  blockpassRoutes,
  CertificateIssuer,
  type CertificateIssuing,
  CompletionWorker,
  Evidence,
  expiredReceipts,
  expiredUploadTokens,
  KycData,
  KycItemResolver,
  KycRecordResolver,
  KycRecords,
  KycReview,
  KycSubmissions,
  KycUserResolver,
  KycValues,
  KycVault,
  kycFileRoutes,
  OpenEvidence,
  oldCompletions,
  oldSignIns,
  PictureDecoder,
  readWalletImportFormat,
  ScannedSignIns,
  SignInCompletions,
  SignInWatch,
  UploadTokens,
  WebsiteSignIns,
} from '../blockpass/index.ts';
import type { Config } from '../config/index.ts';
import type { RequestContexts } from '../http/index.ts';
import type { Demand } from '../platform/request/index.ts';
import { InvalidSettings } from '../platform/settings.ts';
import type { Administration } from './administration.ts';
import type { SignInPart } from './authentication.ts';
import type { Identities } from './identities.ts';
import type { Part } from './part.ts';
import type { Platform } from './platform.ts';

import type { Sessions } from './sessions.ts';

/**
 * Sign-in by the Blockpass app, the KYC records that it fills, and their review.
 * @throws {InvalidSettings} the key for certificates has another checksum than its characters.
 */
export function composeBlockpass(
  platform: Platform,
  { revocations }: Sessions,
  { blockpassIdentities }: Identities,
  { signIn, tokenDelivery, deliversCookies }: SignInPart,
  { isAuthorized }: Administration,
  contexts: RequestContexts,
) {
  const { config, clock, warn, closing, rateLimiter, fork, feed, audit, box, notices } = platform;
  const { blockpass } = config;
  const vault = new KycVault(box);
  const api = new BlockpassApi(blockpass, clock);
  const evidence = new Evidence(api, blockpass);
  const records = new KycRecords(vault, blockpass);
  const websiteSignIns = new WebsiteSignIns({
    api,
    signIn,
    identities: blockpassIdentities,
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
  const demand: Demand = (context, requirement) => isAuthorized(context, [requirement]);
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
    cookieNames: [bindingCookieName(platform.cookieStyle)],
    resolvers: [
      new BlockpassSignInResolver({
        signIns: websiteSignIns,
        watch,
        delivery: tokenDelivery,
        cookies: platform.cookieStyle,
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
  } satisfies Part & Record<string, unknown>;
}

function certificateIssuing({
  issuing,
  clientId,
  baseUrl,
}: Config['blockpass']): CertificateIssuing | undefined {
  if (!issuing) return undefined;
  const { signingKey, slug, legalName, logo } = issuing;
  const organization = { identifier: clientId, legalName, ...(logo !== undefined && { logo }) };
  try {
    return { key: readWalletImportFormat(signingKey), slug, baseUrl, organization };
  } catch (error) {
    throw new InvalidSettings([`BLOCKPASS_SIGNING_KEY ${(error as Error).message}`]);
  }
}
