import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf } from '../../platform/pagination/index.ts';
import { KycItemKind, KycItemStatus } from '../records/kyc-item.entity.ts';
import { KycStatus } from '../records/kyc-record.entity.ts';

registerEnumType(KycStatus, {
  name: 'KycStatus',
  description: 'Where a KYC record stands. Access tokens carry it as the claim kyc.',
  valuesConfig: {
    WAITING: { description: 'For the person or for a reviewer.' },
    IN_REVIEW: { description: 'A reviewer has it in hand: nothing can be uploaded.' },
    APPROVED: { description: 'Done, until something is uploaded again.' },
  },
});
registerEnumType(KycItemKind, { name: 'KycItemKind', description: 'A field or a certificate.' });
registerEnumType(KycItemStatus, {
  name: 'KycItemStatus',
  description: 'Where one item of a KYC record stands.',
  valuesConfig: {
    RECEIVED: { description: 'Uploaded, not judged yet.' },
    MISSING: { description: 'Asked for and not there.' },
    REJECTED: { description: 'The comment says why; the Blockpass app shows it and asks again.' },
    APPROVED: { description: 'Accepted.' },
  },
});

@ObjectType('KycItem', { description: 'One field or certificate of a KYC record.' })
export class KycItemType {
  /** Of the record, for the fields that are read on demand. */
  recordId!: string;

  @Field(() => KycItemKind)
  kind!: KycItemKind;

  @Field(() => String, { description: 'As Blockpass calls it: family_name, selfie, onfido-service-cert.' })
  slug!: string;

  @Field(() => KycItemStatus)
  status!: KycItemStatus;

  @Field(() => String, { nullable: true, description: 'Why it was rejected.' })
  comment!: string | null;

  @Field(() => String, { nullable: true, description: 'Of a file or certificate, by its bytes.' })
  contentType!: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      "Whether Blockpass vouches for it: a value is in the person's Merkle tree, a certificate is genuine. Null while that is not known.",
  })
  verified!: boolean | null;

  @Field(() => GraphQLDateTime)
  updatedAt!: Date;
}

@ObjectType('KycRecord', {
  description: 'What a person handed over through Blockpass, and what became of it.',
})
export class KycRecordType {
  @Field(() => ID)
  id!: string;

  /** For the field `user`. */
  userId!: string | null;

  @Field(() => KycStatus)
  status!: KycStatus;

  @Field(() => String, { nullable: true, description: 'What the Blockpass app shows above the items.' })
  message!: string | null;

  @Field(() => GraphQLDateTime)
  createdAt!: Date;

  @Field(() => GraphQLDateTime, { nullable: true })
  updatedAt!: Date | null;
}

export const KycRecordConnection = connectionOf(
  'KycRecord',
  () => KycRecordType,
  'A page of KYC records, the oldest first.',
);

@InputType({ description: 'A decision about one item.' })
export class KycDecisionInput {
  @Field(() => KycItemKind, { defaultValue: KycItemKind.IDENTITY })
  kind!: KycItemKind;

  @Field(() => String, { description: 'As of the KycItem.' })
  slug!: string;

  @Field(() => Boolean, { description: 'False rejects the item: the app asks the person for it again.' })
  approve!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'Required when approve is false: the Blockpass app shows it. At most 500 characters.',
  })
  comment?: string | null;
}
