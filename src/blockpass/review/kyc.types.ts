import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf } from '../../platform/pagination/index.ts';
import { KycItemKind, KycItemStatus } from '../records/kyc-item.entity.ts';
import { KycStatus } from '../records/kyc-record.entity.ts';

registerEnumType(KycStatus, {
  name: 'KycStatus',
  description: 'The status of a KYC record. Access tokens carry it as the claim kyc.',
  valuesConfig: {
    WAITING: { description: 'The record waits for the person or for a reviewer.' },
    IN_REVIEW: { description: 'A reviewer is reviewing it, so nothing can be uploaded.' },
    APPROVED: { description: 'A reviewer approved it. It waits again after another upload.' },
  },
});
registerEnumType(KycItemKind, { name: 'KycItemKind', description: 'A field or a certificate.' });
registerEnumType(KycItemStatus, {
  name: 'KycItemStatus',
  description: 'The status of one item of a KYC record.',
  valuesConfig: {
    RECEIVED: { description: 'Uploaded, not reviewed yet.' },
    MISSING: { description: 'Requested, not uploaded yet.' },
    REJECTED: {
      description:
        'Rejected. The comment gives the reason; the Blockpass app shows it and asks for the item again.',
    },
    APPROVED: { description: 'Accepted.' },
  },
});

@ObjectType('KycItem', { description: 'One field or certificate of a KYC record.' })
export class KycItemType {
  /** The id of the record, for the fields that are read on demand. */
  recordId!: string;

  @Field(() => KycItemKind)
  kind!: KycItemKind;

  @Field(() => String, {
    description: 'The name at Blockpass, such as family_name, selfie, onfido-service-cert.',
  })
  slug!: string;

  @Field(() => KycItemStatus)
  status!: KycItemStatus;

  @Field(() => String, { nullable: true, description: 'The reason for a rejection.' })
  comment!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The type of a file or certificate, by its bytes. Null for text.',
  })
  contentType!: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      "Whether Blockpass vouches for it: a value is in the person's Merkle tree, or a certificate is genuine. Null while unknown.",
  })
  verified!: boolean | null;

  @Field(() => GraphQLDateTime)
  updatedAt!: Date;
}

@ObjectType('KycRecord', {
  description: 'The data that a person gave through Blockpass, with the state of its review.',
})
export class KycRecordType {
  @Field(() => ID)
  id!: string;

  /** For the field `user`. */
  userId!: string | null;

  @Field(() => KycStatus)
  status!: KycStatus;

  @Field(() => String, {
    nullable: true,
    description: 'The text that the Blockpass app shows above the items.',
  })
  message!: string | null;

  @Field(() => GraphQLDateTime)
  createdAt!: Date;

  @Field(() => GraphQLDateTime, { nullable: true })
  updatedAt!: Date | null;
}

export const KycRecordConnection = connectionOf(
  'KycRecord',
  () => KycRecordType,
  'A page of KYC records, oldest first.',
);

@InputType({ description: 'A decision about one item.' })
export class KycDecisionInput {
  @Field(() => KycItemKind, { defaultValue: KycItemKind.IDENTITY })
  kind!: KycItemKind;

  @Field(() => String, { description: 'The slug of the KycItem.' })
  slug!: string;

  @Field(() => Boolean, {
    description: 'True approves the item. False rejects it, and the app asks the person for it again.',
  })
  approve!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'Required when approve is false: the Blockpass app shows it. At most 500 characters.',
  })
  comment?: string | null;
}
