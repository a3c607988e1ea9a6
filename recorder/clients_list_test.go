//go:build e2e

package recorder_test

// stockClients are the programs, in the order of the table.
var stockClients = []stockClient{
	{name: "OpenSSH `ssh`, one hop", how: "`ssh login@target@proxy`", command: sshTo("one-hop"), forward: pipeTo("one-hop")},
	{name: "OpenSSH `ssh -J`", how: "`ProxyJump`", command: sshTo("db1"), forward: pipeTo("db1")},
	{name: "OpenSSH `ssh`, older configuration", how: "`ProxyCommand ssh -W %h:22 proxy`", command: byCommand},
	{name: "OpenSSH `ssh`, ControlMaster", how: "one hop", command: shared},
	{name: "OpenSSH `ssh -f`", how: "one hop", beside: "the command goes on in the background", check: intoBackground},
	{name: "OpenSSH `ssh -N`", how: "one hop", forward: socketTo("one-hop"), beside: "ends when the grant is revoked", check: withoutCommand},
	{name: "OpenSSH `scp`", how: "one hop", copies: scpBy()},
	{name: "OpenSSH `scp -O` (the old protocol)", how: "one hop", copies: scpBy("-O")},
	{name: "OpenSSH `sftp`", how: "one hop", copies: sftpBatch},
	{name: "rsync", how: "OpenSSH", copies: rsync},
	{name: "git", how: "OpenSSH", beside: "clone and push", check: cloneAndPush},
	{name: "sshfs", how: "OpenSSH", copies: sshfs},
	{name: "lftp", how: "OpenSSH", copies: lftp},
	{name: "autossh", how: "OpenSSH", beside: "starts ssh again when it dies", check: startsAgain},
	{name: "Ansible", how: "OpenSSH", beside: "a playbook with modules, copy and fetch", check: playbook},
	{name: "VS Code Remote-SSH", how: "OpenSSH; the start of its server", command: codeScript, forward: codeServer},
	{name: "paramiko", how: "the agent; the proxy's plain host key", command: paramiko.command, copies: paramiko.copies, forward: paramiko.forward},
	{name: "asyncssh", how: "the agent's plain key and the certificate's file", command: asyncssh.command, copies: asyncssh.copies, forward: asyncssh.forward},
	{name: "PuTTY `plink`, `pscp`", how: "the agent; the authority of hosts in its own configuration", command: plink, copies: pscp, forward: plinkPipe},
	{name: "PuTTY `psftp`", how: "the same", copies: psftp},
	{name: "dropbear `dbclient`", how: "the agent's plain key, through `ssh -W target:22 proxy`; the proxy's plain host key", command: dbclientRun, forward: dbclientPipe},
	{name: "ssh2 for Node", how: "the same", command: ssh2.command, copies: ssh2.copies, forward: ssh2.forward},
	{name: "mosh", how: "OpenSSH", beside: "refused, and told why", check: moshRefused},
}
