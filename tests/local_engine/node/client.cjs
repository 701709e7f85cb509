// Camunda's own Node client against an engine: node client.cjs HOST:PORT DIAGRAM; what was seen goes out as JSON.
const { Camunda8 } = require('@camunda8/sdk');

const [ address, diagram ] = process.argv.slice(2);
const client = new Camunda8({
  ZEEBE_GRPC_ADDRESS: `grpc://${address}`,
  CAMUNDA_AUTH_STRATEGY: 'NONE',
  CAMUNDA_SECURE_CONNECTION: false,
  zeebeGrpcSettings: { ZEEBE_CLIENT_LOG_LEVEL: 'NONE' },
}).getZeebeGrpcApiClient();
const seen = {};

const run = variables => client.createProcessInstanceWithResult({ bpmnProcessId: 'p', variables, requestTimeout: 20000 });

async function polling() {
  let tries = 0;
  const worker = client.createWorker({
    taskType: 'a',
    taskHandler: job => {
      if (job.variables.number === 7 && tries++ === 0) return job.fail({ errorMessage: 'once', retries: job.retries - 1, retryBackOff: 10 });
      if (job.variables.number === 8) return job.error({ errorCode: 'E', errorMessage: 'caught' });
      return job.complete({ answer: job.variables.number * 2 });
    },
  });
  const results = await Promise.all([ ...Array(30).keys() ].map(number => run({ number })));
  seen.answers = results.map(result => result.variables.answer ?? null);
  seen.tries = tries;
  await worker.close();
}

async function streaming() {
  const stream = await client.streamJobs({
    type: 'a', worker: 'stream', timeout: 60000, taskHandler: job => job.complete({ answer: 'streamed' }),
  });
  seen.streamed = (await run({ number: 1 })).variables.answer;
  await stream.close();
}

async function refusals() {
  const code = call => call.then(() => 0).catch(error => error.code);
  seen.unknown = await code(client.completeJob({ jobKey: '1', variables: {} }));
  const created = await client.createProcessInstance({ bpmnProcessId: 'p', variables: { number: 9 } });
  await client.setVariables({ elementInstanceKey: created.processInstanceKey, variables: { x: 1 }, local: false });
  await client.publishMessage({ name: 'nobody', correlationKey: 'k', timeToLive: 0, variables: {} });
  await client.cancelProcessInstance(created.processInstanceKey);
  seen.again = await code(client.cancelProcessInstance(created.processInstanceKey));
}

(async () => {
  seen.version = (await client.topology()).gatewayVersion;
  seen.deployed = (await client.deployResource({ processFilename: diagram })).deployments.length;
  await streaming();
  await polling();
  await refusals();
  console.log(JSON.stringify(seen));
  process.exit(0);
})().catch(error => {
  console.error(error);
  process.exit(1);
});
