// Package processes runs the OpenTelemetry Collector and Jaeger as processes of
// this machine, without Docker: built from their Go modules, on loopback ports,
// with the configurations that the program renders. A process can be killed and
// started again on the same ports, and reports its CPU time and memory.
package processes
