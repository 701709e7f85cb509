// What a Node user would write: Camunda's own SDK with the official openai package.
import { Camunda8 } from '@camunda8/sdk';
import OpenAI from 'openai';

const { ZEEBE_ADDRESS, CONNECTOR_JOB_TYPE, CONNECTOR_MAX_JOBS, OPENAI_BASE_URL, SECRET_OPENAI_API_KEY, PEER_MAPPING } = process.env;

const camunda = new Camunda8({
  ZEEBE_GRPC_ADDRESS: `grpc://${ZEEBE_ADDRESS}`,
  CAMUNDA_AUTH_STRATEGY: 'NONE',
  ZEEBE_CLIENT_LOG_LEVEL: 'ERROR',
});
const client = new OpenAI({ apiKey: SECRET_OPENAI_API_KEY, baseURL: OPENAI_BASE_URL });

camunda.getZeebeGrpcApiClient().createWorker({
  taskType: CONNECTOR_JOB_TYPE,
  timeout: 300_000,
  ...(CONNECTOR_MAX_JOBS ? { maxJobsToActivate: Number(CONNECTOR_MAX_JOBS) } : {}),
  taskHandler: async (job) => {
    const given = job.variables;
    const answer = await client.chat.completions.create({
      model: given.openai_model,
      messages: [
        { role: 'system', content: given.openai_systemMessage },
        { role: 'user', content: given.openai_prompt },
      ],
      temperature: Number(given.openai_temperature),
      max_completion_tokens: Number(given.openai_maxTokens),
    });
    if (PEER_MAPPING === 'fails') throw new Error('the answer is not as the code expects it');
    return job.complete({ answer: answer.choices[0].message.content });
  },
});
