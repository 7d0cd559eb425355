import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../../platform/clock.ts';
import { Conflict, ServiceUnavailable } from '../../platform/errors.ts';
import { type BlockpassApi, BlockpassRefused } from '../api/index.ts';
import { type BitcoinKey, issueCertificate, MalformedCertificate } from '../protocol/index.ts';
import type { BlockpassPerson } from '../records/blockpass-person.ts';
import { KycItemKind, KycItemStatus } from '../records/kyc-item.entity.ts';
import type { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';

/** The settings for certificates. */
export interface CertificateIssuing {
  readonly key: BitcoinKey;
  readonly slug: string;
  readonly baseUrl: string;
  readonly organization: { readonly identifier: string } & Readonly<Record<string, string>>;
}

/** The parts that `CertificateIssuer` uses. */
export interface CertificateIssuerDependencies {
  readonly api: BlockpassApi;
  readonly person: BlockpassPerson;
  readonly records: KycRecords;
  readonly vault: KycVault;
  readonly clock: Clock;
  readonly issuing: CertificateIssuing;
}

/** Makes certificates about people and sends them to Blockpass, which countersigns and delivers them. */
export class CertificateIssuer {
  constructor(private readonly deps: CertificateIssuerDependencies) {}

  get slug(): string {
    return this.deps.issuing.slug;
  }

  /**
   * Issues a certificate.
   * @throws {ServiceUnavailable} Blockpass does not accept it, or cannot be reached.
   * @throws {PersonMustReturn} Blockpass refuses the tokens of the person.
   * @throws {Conflict} the schema of these certificates has no word for something in the record.
   */
  async issue(em: EntityManager, record: KycRecord, summary: string): Promise<void> {
    const { issuing } = this.deps;
    const rootHash = this.deps.vault.openRootHash(record.id, record.sealedRootHash);
    if (rootHash === null)
      throw new ServiceUnavailable({ detail: "the root of the person's tree is not known" });
    try {
      const certificate = await issueCertificate(
        {
          slug: issuing.slug,
          baseUrl: issuing.baseUrl,
          fields: await this.fieldsOf(em, record.id),
          rootHash,
          organization: issuing.organization,
          review: { summary, details: 'reviewed' },
        },
        issuing.key,
        await this.deps.api.schema(issuing.slug),
        new Date(this.deps.clock.now()),
      );
      await this.deps.person
        .of(em, record)
        .ask((tokens) => this.deps.api.putCertificate(tokens, certificate));
    } catch (error) {
      if (error instanceof MalformedCertificate) {
        throw new Conflict(`No certificate can be made of this record: ${error.message}.`);
      }
      if (error instanceof BlockpassRefused) {
        throw new ServiceUnavailable({ detail: 'Blockpass does not accept the certificate', cause: error });
      }
      throw error;
    }
  }

  /** Leaves out rejected fields that are no longer requested, because the certificate must not cover them. */
  private async fieldsOf(em: EntityManager, recordId: string): Promise<Map<string, string>> {
    const fields = await this.deps.records.fieldHashes(em, recordId);
    for (const { kind, slug, status } of await this.deps.records.items(em, recordId)) {
      if (kind === KycItemKind.IDENTITY && status === KycItemStatus.REJECTED) fields.delete(slug);
    }
    return fields;
  }
}
