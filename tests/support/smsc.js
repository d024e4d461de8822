// A message centre on loopback: npm's smpp, told what to do by JSON lines on standard input.
// It says what it sees by JSON lines on standard output.
'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require(process.argv[2]);
const tls = process.argv[3]
  ? { key: fs.readFileSync(process.argv[3]), cert: fs.readFileSync(process.argv[4]) }
  : {};

const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const plan = {
  password: 'pa55word', // of whoever binds
  statuses: [], // of the next answers to a text, taking none of them
  receipt: 'DELIVRD', // null for none
  receipt_after_ms: 5,
  receipt_first: false, // the receipt before the answer to the text it is of
  lose: 0, // texts to take and cut the connection instead of answering
  answer_after_ms: 0, // how late texts are answered
  mute: false, // take texts and never answer
};
const sessions = new Set();
let taken = 0;

function receiptOf(id, pdu, stat) {
  return {
    source_addr_ton: 1, source_addr_npi: 1,
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:2611200930 done date:2611200930 ` +
      `stat:${stat} err:000 text:stat:UNDELIV id:999`,
  };
}

function submit(session, pdu) {
  const text = pdu.short_message && pdu.short_message.message
    ? pdu.short_message.message : pdu.message_payload && pdu.message_payload.message;
  if (plan.statuses.length) {
    session.send(pdu.response({ command_status: plan.statuses.shift() }));
    return;
  }
  taken += 1;
  const id = `00af${taken.toString(16).padStart(4, '0')}`;
  say({ event: 'submit', id, number: pdu.destination_addr, source: pdu.source_addr, text,
    ton: pdu.dest_addr_ton, registered: pdu.registered_delivery });
  if (plan.lose > 0) {
    plan.lose -= 1;
    session.destroy();
    return;
  }
  const report = () => plan.receipt &&
    session.deliver_sm(receiptOf(id, pdu, plan.receipt), (answer) =>
      say({ event: 'receipt-answered', status: answer.command_status }));
  const respond = () => {
    if (!plan.mute) session.send(pdu.response({ message_id: id.toUpperCase() }));
  };
  if (plan.receipt_first) report();
  setTimeout(respond, plan.answer_after_ms + (plan.receipt_first ? 50 : 0));
  if (!plan.receipt_first) setTimeout(report, plan.answer_after_ms + plan.receipt_after_ms);
}

const server = smpp.createServer(tls, (session) => {
  session.on('error', () => {});
  session.on('close', () => sessions.delete(session));
  session.on('bind_transceiver', (pdu) => {
    if (pdu.password !== plan.password) {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      say({ event: 'refused' });
      return;
    }
    sessions.add(session);
    session.send(pdu.response());
    say({ event: 'bound', system_id: pdu.system_id });
  });
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => {
    say({ event: 'enquired' });
    session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    say({ event: 'unbound' });
    session.send(pdu.response());
    session.close();
  });
});
server.on('error', () => {});
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.order === 'plan') Object.assign(plan, order.changes);
  if (order.order === 'drop') for (const session of sessions) session.destroy();
  if (order.order === 'deliver') {
    for (const session of sessions) {
      session.deliver_sm(order.members, (answer) =>
        say({ event: 'text-answered', status: answer.command_status }));
    }
  }
  say({ event: 'done', order: order.order });
}).on('close', () => process.exit(0));
