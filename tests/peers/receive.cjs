// Takes messages with an HL7 server of npm and answers each as it was told, then well.
//
//     node receive.cjs node-hl7-server|medplum|simple-hl7 JOB
//
// The job and the lines of output are those of receive.py.
'use strict';

const fs = require('node:fs');
const tls = require('node:tls');

const job = JSON.parse(process.argv[3]);
const encoding = job.charset === 'utf-8' ? 'utf-8' : 'latin1';
const secrets = () => {
  const identity = fs.readFileSync(job.identity);
  return { ca: fs.readFileSync(job.ca), cert: identity, key: identity, requestCert: true };
};
const listening = (port) => console.log(JSON.stringify({ port }));
const tell = (text) => {
  const step = job.steps.shift() ?? 'AA';
  const message = Buffer.from(text, encoding === 'latin1' ? 'latin1' : 'utf8').toString('latin1');
  console.log(JSON.stringify({ message, step }));
  return step;
};

function nodeHl7Server() {
  const { Server } = require('node-hl7-server');
  const server = new Server({ bindAddress: job.host, ...(job.ca ? { tls: secrets() } : {}) });
  const inbound = server.createInbound({ port: 0, encoding }, async (request, response) => {
    const step = tell(request.getMessage().toString());
    if (step === 'close') response._socket.destroy();
    else await response.sendResponse(step);
  });
  inbound.on('data.error', (error) => console.error(error));
  inbound.on('listen', () => listening(inbound._socket.address().port));
}

function medplum() {
  const { Hl7Server, Hl7Connection } = require('@medplum/hl7');
  const serve = (connection) =>
    connection.addEventListener('message', ({ message }) => {
      const step = tell(message.toString());
      if (step === 'close') void connection.close();
      else connection.send(message.buildAck({ ackCode: step }));
    });
  if (job.ca) {
    // Its server opens plain sockets only; its connection takes any.
    const server = tls.createServer(secrets(), (socket) => serve(new Hl7Connection(socket, job.charset)));
    server.listen(0, job.host, () => listening(server.address().port));
    return;
  }
  const server = new Hl7Server(serve);
  server.start(0, job.charset);
  server.server.once('listening', () => listening(server.server.address().port));
}

function simpleHl7() {
  const hl7 = require('simple-hl7');
  const app = hl7.tcp();
  app.use((request, response) => {
    const step = tell(request.raw.slice(1, -2));
    if (step === 'close') return response.socket.destroy();
    response.ack.getSegment('MSA').setField(1, step);
    return response.end();
  });
  const server = app.start(0, encoding);
  server.server.once('listening', () => listening(server.server.address().port));
}

({ 'node-hl7-server': nodeHl7Server, medplum, 'simple-hl7': simpleHl7 })[process.argv[2]]();
