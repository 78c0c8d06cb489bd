// Package chart tests the Helm chart of deploy/helm: Helm itself lints and renders it, the
// types of Kubernetes read what comes out, and bearerd takes the configuration.
package chart
