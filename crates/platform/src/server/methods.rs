//! The methods that a service answers, and what is counted of each.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Histogram};
use prost::Message;
use prost_types::FileDescriptorSet;

/// The methods on one port, by path. Nothing else ever becomes a label: a path is a caller's text.
#[derive(Debug, Clone)]
pub(super) struct Methods {
    known: Arc<HashMap<String, Method>>,
    unknown: Arc<Method>,
}

/// One method's metrics.
#[derive(Debug)]
pub(super) struct Method {
    service: &'static str,
    name: String,
    /// Made when it is first called: by then metrics are collected, if they ever are.
    handles: OnceLock<Handles>,
}

#[derive(Debug)]
struct Handles {
    succeeded: Counter,
    seconds: Histogram,
}

impl Methods {
    /// The methods of those services in `descriptor_sets` that are among `served`.
    pub(super) fn of(service: &'static str, served: &[&str], descriptor_sets: &[&[u8]]) -> Self {
        let mut known = HashMap::new();
        for bytes in descriptor_sets {
            // One that cannot be read is reported by reflection, which needs it too.
            for file in FileDescriptorSet::decode(*bytes).unwrap_or_default().file {
                let package = file.package().to_owned();
                for described in &file.service {
                    let path = format!("{package}.{}", described.name());
                    if !served.contains(&path.as_str()) {
                        continue;
                    }
                    for method in &described.method {
                        let name = method.name().to_owned();
                        known.insert(format!("/{path}/{name}"), Method::new(service, name));
                    }
                }
            }
        }
        Self {
            known: Arc::new(known),
            unknown: Arc::new(Method::new(service, "unknown".to_owned())),
        }
    }

    /// The method at `path`, or the one that stands for all that are not there.
    pub(super) fn at(&self, path: &str) -> &Method {
        self.known.get(path).unwrap_or(&self.unknown)
    }
}

impl Method {
    const fn new(service: &'static str, name: String) -> Self {
        Self {
            service,
            name,
            handles: OnceLock::new(),
        }
    }

    /// Counts one call that was answered with the gRPC status `status`.
    pub(super) fn count(&self, status: &str, elapsed: Duration) {
        let handles = self.handles.get_or_init(|| Handles {
            succeeded: self.counter("0"),
            seconds: metrics::histogram!(
                "bookstore_grpc_request_seconds",
                "service" => self.service,
                "method" => self.name.clone(),
            ),
        });
        if status == "0" {
            handles.succeeded.increment(1);
        } else {
            self.counter(status).increment(1);
        }
        handles.seconds.record(elapsed.as_secs_f64());
    }

    fn counter(&self, status: &str) -> Counter {
        metrics::counter!(
            "bookstore_grpc_requests_total",
            "service" => self.service,
            "method" => self.name.clone(),
            "status" => status.to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_are_served_have_a_name() {
        let served = ["grpc.health.v1.Health"];
        let sets = [tonic_health::pb::FILE_DESCRIPTOR_SET, &b"\xff"[..]];
        let methods = Methods::of("test", &served, &sets);
        assert_eq!(methods.at("/grpc.health.v1.Health/Check").name, "Check");
        for strange in ["/grpc.health.v1.Health/Chock", "/catalog.v1.X/GetBook", ""] {
            assert_eq!(methods.at(strange).name, "unknown", "{strange}");
        }
    }
}
