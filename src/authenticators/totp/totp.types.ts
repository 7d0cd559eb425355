import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';

@ObjectType('TotpEnrolment', {
  description: 'A secret for an authenticator app, to be confirmed with a code of it. Shown once.',
})
export class TotpEnrolmentType {
  @Field(() => String, { description: 'Base32 secret, for typing in by hand.' })
  secret!: string;

  @Field(() => String, { description: 'otpauth:// key URI: SHA-1, six digits, 30 seconds.' })
  uri!: string;

  @Field(() => String, { description: 'The key URI as a QR code: PNG as a data: URL.' })
  qrCode!: string;

  @Field(() => String, { description: 'SVG markup of the same QR code.' })
  qrCodeSvg!: string;

  @Field(() => GraphQLDateTime, {
    description: 'Until then it can be confirmed, by the session that started it.',
  })
  expiresAt!: Date;
}
