package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"stint/cmd/stint-dev/internal/certificates"
	"stint/cmd/stint-dev/internal/installation"
	"stint/cmd/stint-dev/internal/provider"
	"stint/cmd/stint-dev/internal/supervisor"
	"stint/server/api"
)

// The configuration files, as the processes define them. They are written here
// from structs of our own because stint-dev links none of the processes; that
// they fit is what every end to end test shows.

type peer struct {
	URL string `json:"url"`
	Key string `json:"key"`
}

type signerConfig struct {
	Instance     string             `json:"instance"`
	Data         string             `json:"data"`
	Listen       string             `json:"listen"`
	TLS          certificates.Files `json:"tls"`
	Broker       string             `json:"broker"`
	Proxies      []signerProxy      `json:"proxies"`
	Policy       string             `json:"policy"`
	Issuer       signerIssuer       `json:"issuer"`
	RelyingParty string             `json:"relying_party"`
	Origins      []string           `json:"origins"`
	Ceremony     signerCeremony     `json:"ceremony"`
}

type signerProxy struct {
	Name  string   `json:"name"`
	Key   string   `json:"key"`
	Names []string `json:"names"`
}

type signerIssuer struct {
	URL      string `json:"url"`
	ClientID string `json:"client_id"`
}

// signerCeremony is the signer's own page, and who joins the roster there.
type signerCeremony struct {
	Listen         string         `json:"listen"`
	Origin         string         `json:"origin"`
	Administrators []signerPerson `json:"administrators"`
}

type signerPerson struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	Name    string `json:"name"`
	Email   string `json:"email"`
}

type brokerConfig struct {
	Instance     string             `json:"instance"`
	Data         string             `json:"data"`
	Listen       string             `json:"listen"`
	URL          string             `json:"url"`
	ProxyListen  string             `json:"proxy_listen"`
	TLS          certificates.Files `json:"tls"`
	Proxies      []brokerProxy      `json:"proxies"`
	Signer       peer               `json:"signer"`
	Database     string             `json:"database"`
	Policy       string             `json:"policy"`
	Issuer       brokerIssuer       `json:"issuer"`
	RelyingParty string             `json:"relying_party"`
	Origins      []string           `json:"origins"`
	Recordings   brokerRecordings   `json:"recordings"`
}

type brokerRecordings struct {
	Identities []string `json:"identities"`
}

type brokerProxy struct {
	Name    string `json:"name"`
	Key     string `json:"key"`
	Address string `json:"address"`
}

type brokerIssuer struct {
	URL                    string `json:"url"`
	PortalClientID         string `json:"portal_client_id"`
	PortalClientSecretFile string `json:"portal_client_secret_file"`
	CommandLineClientID    string `json:"cli_client_id"`
}

type proxyConfig struct {
	Name     string             `json:"name"`
	Instance string             `json:"instance"`
	Data     string             `json:"data"`
	Listen   string             `json:"listen"`
	TLS      certificates.Files `json:"tls"`
	Signer   peer               `json:"signer"`
	Broker   peer               `json:"broker"`
}

// process is one of our binaries with its configuration.
type process struct {
	name   string
	binary string
	config any
	// files are written beside the configuration: path to content.
	files map[string][]byte
	// answers is called once the process says that it is ready.
	answers func(context.Context) error
}

var binaries = []string{"stint-broker", "stint-signer", "stint-proxy", "stint"}

func checkBinaries(dir string) error {
	for _, name := range binaries {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode()&0o111 == 0 {
			return fmt.Errorf("there is no %s in %s; build all commands into one directory (make build), or name it with --bin", name, dir)
		}
	}
	return nil
}

func (w *world) signer() process {
	i, identities := w.installation, w.certificates.Identities
	administrator, _ := i.User(installation.Administrator)
	return process{
		name: signerName, binary: "stint-signer",
		config: signerConfig{
			Instance: i.Instance, Data: w.path(signerName), Listen: i.Address(installation.Signer), TLS: identities[signerName].Files,
			Broker:  identities[brokerName].Pin,
			Proxies: []signerProxy{{proxyName, identities[proxyName].Pin, []string{"localhost", "127.0.0.1", "stint"}}},
			Policy:  w.path("policy"), Issuer: signerIssuer{i.Issuer(), provider.CLIClient},
			RelyingParty: "localhost", Origins: []string{i.PortalURL()},
			Ceremony: signerCeremony{i.Address(installation.Ceremony), i.CeremonyURL(), []signerPerson{
				{i.Issuer(), provider.SubjectOf(w.providerUser(administrator)), administrator.Name, administrator.Email},
			}},
		},
	}
}

func (w *world) broker() process {
	i, identities := w.installation, w.certificates.Identities
	secret := w.path("config", "portal-client-secret")
	database := w.config.Database
	if database == "" {
		database = "sqlite:" + w.path(brokerName, "stint.db")
	}
	return process{
		name: brokerName, binary: "stint-broker",
		files: map[string][]byte{secret: []byte(i.PortalSecret)},
		config: brokerConfig{
			Instance: i.Instance, Data: w.path(brokerName), Listen: i.Portal, URL: i.PortalURL(),
			ProxyListen: i.Address(installation.BrokerWire), TLS: identities[brokerName].Files,
			Proxies:  []brokerProxy{{proxyName, identities[proxyName].Pin, w.proxyAddress()}},
			Signer:   peer{"https://" + i.Address(installation.Signer), identities[signerName].Pin},
			Database: database, Policy: w.path("policy"),
			Issuer:       brokerIssuer{i.Issuer(), provider.PortalClient, secret, provider.CLIClient},
			RelyingParty: "localhost", Origins: []string{i.PortalURL()},
			Recordings: brokerRecordings{[]string{w.path("keys", playbackKey)}},
		},
		answers: func(ctx context.Context) error { return healthy(ctx, i.PortalURL()+api.PathHealth) },
	}
}

func (w *world) proxy() process {
	i, identities := w.installation, w.certificates.Identities
	return process{
		name: proxyName, binary: "stint-proxy",
		config: proxyConfig{
			Name: proxyName, Instance: i.Instance, Data: w.path(proxyName), Listen: i.Address(installation.Proxy),
			TLS:    identities[proxyName].Files,
			Signer: peer{"https://" + i.Address(installation.Signer), identities[signerName].Pin},
			Broker: peer{"https://" + i.Address(installation.BrokerWire), identities[brokerName].Pin},
		},
	}
}

// proxyAddress is where people's ssh goes.
func (w *world) proxyAddress() string {
	return net.JoinHostPort("localhost", strconv.Itoa(w.installation.Ports[installation.Proxy]))
}

// startProcess writes a process's configuration and starts it.
func (w *world) startProcess(ctx context.Context, p process) error {
	text, err := json.MarshalIndent(p.config, "", "  ")
	if err != nil {
		return err
	}
	file, ready := w.path("config", p.name+".json"), w.path("run", p.name+".json")
	if err := installation.WriteFile(file, append(text, '\n')); err != nil {
		return fmt.Errorf("writing the configuration of the %s: %w", p.name, err)
	}
	for path, content := range p.files {
		if err := installation.WriteFile(path, content); err != nil {
			return fmt.Errorf("writing a file for the %s: %w", p.name, err)
		}
	}
	return w.supervisor.Start(ctx, supervisor.Child{
		Name: p.name, Path: filepath.Join(w.config.Bin, p.binary),
		Args: []string{"--config", file, "--ready-file", ready}, Dir: w.installation.Dir(),
		Line: w.shower(p.name),
		Healthy: func(ctx context.Context, pid int) error {
			if err := saysReady(ready, pid); err != nil || p.answers == nil {
				return err
			}
			return p.answers(ctx)
		},
	})
}

// saysReady is nil when the process of that id, and no earlier one, wrote its
// ready file.
func saysReady(path string, pid int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return errors.New("it has not said that it is ready")
	}
	var said struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("its ready file cannot be read: %w", err)
	}
	if said.PID != pid {
		return errors.New("it has not said that it is ready")
	}
	return nil
}

// healthy is nil when the URL answers 200.
func healthy(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Timeout: 2 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}
