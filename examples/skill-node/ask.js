'use strict';

// Opens the skill as AWS Lambda does, and prints what it says: node ask.js TOKEN

const { handler } = require('./skill');

const user = { userId: 'amzn1.ask.account.TEST', accessToken: process.argv[2] };
const application = { applicationId: process.env.SKILL_ID ?? 'amzn1.ask.skill.test' };
const request = { type: 'LaunchRequest', requestId: 'test', timestamp: new Date().toISOString(), locale: 'en-US' };
const envelope = { version: '1.0', context: { System: { application, user } }, request };

handler(envelope, {}, (error, response) => {
  if (error) {
    throw error;
  }
  const { outputSpeech, card } = response.response;
  const text = outputSpeech.text ?? outputSpeech.ssml.replace(/<[^>]*>/g, '');
  console.log(card ? `${text} (card: ${card.type})` : text);
});
