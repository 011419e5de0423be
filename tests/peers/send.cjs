// Sends the messages of a job with an HL7 client of npm and tells how it understood each answer.
//
//     node send.cjs node-hl7-client|medplum|simple-hl7 < job.json
//
// The job and the lines of output are those of send.py.
'use strict';

const fs = require('node:fs');
const tls = require('node:tls');

const bytes = (text) => Buffer.from(text, 'latin1');
const decoded = (job, text) => new TextDecoder(job.charset === 'utf-8' ? 'utf-8' : 'latin1').decode(bytes(text));
const latin = (job, text) => Buffer.from(text, job.charset === 'utf-8' ? 'utf8' : 'latin1').toString('latin1');
const parts = (job) =>
  [job.messages.slice(0, job.reconnect), job.messages.slice(job.reconnect)].filter((part) => part.length > 0);
const secrets = (job) => {
  const identity = fs.readFileSync(job.identity);
  return { ca: fs.readFileSync(job.ca), cert: identity, key: identity };
};
const tell = (told) => console.log(JSON.stringify(told));

async function nodeHl7Client(job) {
  const { Client, Message } = require('node-hl7-client');
  for (const part of parts(job)) {
    const client = new Client({ host: job.host, ipv4: true, ...(job.ca ? { tls: secrets(job) } : {}) });
    let answered;
    const connection = client.createConnection(
      { port: job.port, encoding: job.charset === 'utf-8' ? 'utf-8' : 'latin1' },
      (response) => answered(response.getMessage()),
    );
    connection.on('data.error', (error) => { throw error; });
    await new Promise((resolve) => connection.once('connect', resolve));
    for (const text of part) {
      const message = new Message({ text: decoded(job, text) });
      const answer = await new Promise((resolve) => {
        answered = resolve;
        void connection.sendMessage(message);
      });
      tell({
        sent: latin(job, message.toString()),
        code: answer.get('MSA.1').toString(),
        control_id: answer.get('MSA.2').toString(),
        facility: answer.get('MSH.6').toString(),
      });
    }
    await connection.close();
  }
}

async function medplum(job) {
  const { Hl7Client, Hl7Connection } = require('@medplum/hl7');
  const { Hl7Message } = require('@medplum/core');
  for (const part of parts(job)) {
    let peer;
    if (job.ca) {
      // Its client opens plain sockets only; its connection takes any.
      const socket = tls.connect({ host: job.host, port: job.port, ...secrets(job) });
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      peer = new Hl7Connection(socket, job.charset);
    } else {
      peer = new Hl7Client({ host: job.host, port: job.port, encoding: job.charset });
    }
    for (const text of part) {
      const message = Hl7Message.parse(decoded(job, text));
      const answer = await peer.sendAndWait(message);
      tell({
        sent: latin(job, message.toString()),
        code: answer.getSegment('MSA').getField(1).toString(),
        control_id: answer.getSegment('MSA').getField(2).toString(),
        facility: answer.header.getField(6).toString(),
      });
    }
    await peer.close();
  }
}

async function simpleHl7(job) {
  const hl7 = require('simple-hl7');
  for (const [index, part] of parts(job).entries()) {
    // The first part over one connection, the second one with a connection for each message.
    const client = hl7.Server.createTcpClient({ host: job.host, port: job.port, keepalive: index === 0 });
    const parser = new hl7.Parser({ segmentSeperator: '\r' });
    for (const text of part) {
      const message = parser.parse(decoded(job, text));
      const answer = await new Promise((resolve, reject) =>
        client.send(message, (error, taken) => (error ? reject(error) : resolve(taken))));
      tell({
        sent: latin(job, message.toString()),
        code: answer.getSegment('MSA').getField(1).toString(),
        control_id: answer.getSegment('MSA').getField(2).toString(),
        facility: answer.header.getField(4).toString(),
      });
    }
    client.close();
  }
}

const peers = { 'node-hl7-client': nodeHl7Client, medplum, 'simple-hl7': simpleHl7 };
peers[process.argv[2]](JSON.parse(fs.readFileSync(0, 'utf8'))).catch((error) => {
  console.error(error);
  process.exit(1);
});
