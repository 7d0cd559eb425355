import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';

@ObjectType('TotpEnrolment', {
  description: 'A secret for an authenticator app. It is shown once, and confirmed with a code of the app.',
})
export class TotpEnrolmentType {
  @Field(() => String, { description: 'The secret in Base32, for typing it by hand.' })
  secret!: string;

  @Field(() => String, { description: 'otpauth:// key URI: SHA-1, six digits, 30 seconds.' })
  uri!: string;

  @Field(() => String, { description: 'The key URI as a QR code: PNG as a data: URL.' })
  qrCode!: string;

  @Field(() => String, { description: 'SVG markup of the same QR code.' })
  qrCodeSvg!: string;

  @Field(() => GraphQLDateTime, {
    description: 'The session that started the enrolment can confirm it until then.',
  })
  expiresAt!: Date;
}
