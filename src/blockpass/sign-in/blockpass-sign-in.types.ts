import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { BlockpassSignInState } from './blockpass-sign-in.entity.ts';

registerEnumType(BlockpassSignInState, {
  name: 'BlockpassSignInState',
  description:
    'The progress of a sign-in, from the QR code to the session. SUCCESS, FAILED and EXPIRED are final.',
  valuesConfig: {
    CREATED: { description: 'The QR code waits to be scanned.' },
    PROCESSING: {
      description:
        'The QR code was scanned and works for no other phone. This state lasts while Blockpass is unavailable and cannot be told of the success.',
    },
    SUCCESS: { description: 'Blockpass accepted it. Call completeBlockpassSignIn.' },
    FAILED: { description: 'Blockpass refused it. Start another one.' },
    EXPIRED: { description: 'It took too long. Start another one.' },
  },
});

@ObjectType('BlockpassSignIn', {
  description: 'A sign-in by QR code: show qrCode, then subscribe to blockpassSignIn or poll it.',
})
export class BlockpassSignInType {
  @Field(() => ID, { description: 'The id of the sign-in. It is not the session code in the QR code.' })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Returned once, by startBlockpassSignIn. Binds the sign-in to the client that started it, when it cannot send the binding cookie.',
  })
  secret!: string | null;

  @Field(() => BlockpassSignInState)
  state!: BlockpassSignInState;

  @Field(() => String, { description: 'The text in the QR code, which the Blockpass app scans.' })
  qrText!: string;

  @Field(() => String, {
    nullable: true,
    description: 'A link that opens the Blockpass app, for a browser on the phone itself.',
  })
  appLink!: string | null;

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;

  /** For the field `qrCode`, which is drawn once, however many aliases select it. */
  drawing?: Promise<string>;
}
