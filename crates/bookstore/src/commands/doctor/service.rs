//! Services: those that this configuration serves itself, with their metrics pages, and those elsewhere that
//! order calls.

use std::net::SocketAddr;

use platform::config::ServiceUrl;
use platform::discovery::{Address, ConsulConfig, ConsulRegistry};
use platform::telemetry::fetch_metrics;
use tokio::net::TcpListener;

use super::{Finding, Verdict, finding};
use crate::health::{Health, check_health};

/// A port that this configuration has a service listen on.
pub(super) async fn examine_service(key: &str, address: SocketAddr) -> Finding {
    if TcpListener::bind(address).await.is_ok() {
        let detail = format!("{address}: not running, the port is free");
        return finding(key, Verdict::Idle, detail);
    }
    let (verdict, said) = match check_health(&address.to_string()).await {
        Health::Nobody => {
            let said = "cannot be listened on, and answers no connection";
            (Verdict::Bad, said.to_owned())
        }
        health => verdict_on(&health),
    };
    finding(key, verdict, format!("{address}: {said}"))
}

/// A port that this configuration has a metrics page on; `None` where `is_quiet` and there is nothing bad to
/// tell.
pub(super) async fn examine_metrics(address: SocketAddr, is_quiet: bool) -> Option<Finding> {
    let key = "telemetry.metrics";
    if TcpListener::bind(address).await.is_ok() {
        let detail = format!("{address}: not running, the port is free");
        return (!is_quiet).then(|| finding(key, Verdict::Idle, detail));
    }
    match fetch_metrics(&address.to_string()).await {
        Ok(page) if page.contains("bookstore_") => {
            let detail = format!("{address}: answers with metrics");
            (!is_quiet).then(|| finding(key, Verdict::Good, detail))
        }
        Ok(_) | Err(_) => {
            let detail = format!("{address}: taken by a program that is not a bookstore");
            Some(finding(key, Verdict::Bad, detail))
        }
    }
}

/// A service that order calls: a line for each of its instances, none for one that `listen` serves, which has
/// its line already.
pub(super) async fn examine_upstream(
    key: &str,
    url: &ServiceUrl,
    listen: SocketAddr,
    consul: &ConsulConfig,
) -> Vec<Finding> {
    let addresses = match url {
        ServiceUrl::At(addresses) => addresses.to_vec(),
        ServiceUrl::Named(service) => {
            let known = ConsulRegistry::new(consul).read_healthy(service).await;
            match known {
                Ok(addresses) if addresses.is_empty() => {
                    let detail = format!("{url}: Consul knows no instance that is well");
                    return vec![finding(key, Verdict::Idle, detail)];
                }
                Ok(addresses) => addresses,
                Err(error) => return vec![finding(key, Verdict::Bad, format!("{url}: {error}"))],
            }
        }
    };
    let mut findings = Vec::new();
    for address in addresses {
        if !is_served_at(&address, listen) {
            findings.push(examine_instance(key, &address).await);
        }
    }
    findings
}

async fn examine_instance(key: &str, address: &Address) -> Finding {
    let (verdict, said) = match check_health(address.as_str()).await {
        Health::Nobody => {
            let said = "nobody answers there; `serve order` calls it, `up` does not";
            (Verdict::Idle, said.to_owned())
        }
        health => verdict_on(&health),
    };
    finding(key, verdict, format!("http://{address}: {said}"))
}

fn verdict_on(health: &Health) -> (Verdict, String) {
    let verdict = match health {
        Health::Serving => Verdict::Good,
        Health::Nobody | Health::Bad(_) => Verdict::Bad,
    };
    (verdict, health.to_string())
}

/// Whether `address` is the port on this host that `listen` names.
fn is_served_at(address: &Address, listen: SocketAddr) -> bool {
    let text = address.as_str().replace("localhost:", "127.0.0.1:");
    let Ok(address) = text.parse::<SocketAddr>() else {
        return false;
    };
    let is_here =
        address.ip().is_loopback() && (listen.ip().is_loopback() || listen.ip().is_unspecified());
    address.port() == listen.port() && (is_here || address.ip() == listen.ip())
}

#[cfg(test)]
mod tests {
    //! Proves that services elsewhere are asked, and told from those that this configuration serves itself.

    use std::net::{IpAddr, Ipv4Addr};

    use async_trait::async_trait;
    use platform::discovery::Secret;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tonic::transport::Server;
    use tonic::{Code, Request, Response, Status};
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_server::{self, HealthServer};
    use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

    use super::*;

    const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

    struct Says(Result<ServingStatus, Code>);

    #[async_trait]
    impl health_server::Health for Says {
        type WatchStream = futures::stream::Pending<Result<HealthCheckResponse, Status>>;

        async fn check(
            &self,
            _: Request<HealthCheckRequest>,
        ) -> Result<Response<HealthCheckResponse>, Status> {
            let status = self.0.map_err(|code| Status::new(code, "no"))?;
            Ok(Response::new(HealthCheckResponse {
                status: status.into(),
            }))
        }

        async fn watch(
            &self,
            _: Request<HealthCheckRequest>,
        ) -> Result<Response<Self::WatchStream>, Status> {
            Err(Status::unimplemented(""))
        }
    }

    /// What is found where order's catalog is at `url`.
    async fn examine(url: &str, agent: SocketAddr) -> Vec<(Verdict, String)> {
        let consul = ConsulConfig {
            address: format!("http://{agent}").parse().unwrap(),
            token: Secret::default(),
        };
        let url = url.parse().unwrap();
        let found = examine_upstream("order.catalog", &url, ELSEWHERE, &consul).await;
        assert!(found.iter().all(|found| found.subject == "order.catalog"));
        let told = |found: Finding| (found.verdict, found.detail);
        found.into_iter().map(told).collect()
    }

    /// What is found of a service that answers so, as an upstream and as a port of our own.
    async fn examine_answer(answer: Result<ServingStatus, Code>) -> [(Verdict, String); 2] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = Server::builder()
            .add_service(HealthServer::new(Says(answer)))
            .serve_with_incoming(incoming);
        tokio::select! {
            ended = server => panic!("{ended:?}"),
            found = async {
                let own = examine_service("catalog.listen", address).await;
                let mut found = examine(&format!("http://{address}"), ELSEWHERE).await;
                let shortened = |said: String| said.rsplit(": ").next().unwrap().to_owned();
                let (verdict, said) = found.pop().unwrap();
                [(verdict, shortened(said)), (own.verdict, shortened(own.detail))]
            } => found,
        }
    }

    #[tokio::test]
    async fn what_a_service_answers_is_told() {
        let cases = [
            (Ok(ServingStatus::Serving), Verdict::Good, "serving"),
            (
                Ok(ServingStatus::NotServing),
                Verdict::Bad,
                "up, but not serving",
            ),
            (
                Err(Code::Unavailable),
                Verdict::Bad,
                "up, but refuses calls",
            ),
            (
                Err(Code::Unimplemented),
                Verdict::Bad,
                "taken by a program that is not a bookstore",
            ),
        ];
        for (answer, verdict, said) in cases {
            for found in examine_answer(answer).await {
                assert_eq!(found, (verdict, said.to_owned()), "{answer:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_web_server_is_no_bookstore() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        for answer in [&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], b""] {
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            };
            let (found, ()) = tokio::join!(examine(&url, ELSEWHERE), serve);
            let said = format!("{url}: taken by a program that is not a bookstore");
            assert_eq!(found, [(Verdict::Bad, said)]);
        }
    }

    #[tokio::test]
    async fn upstreams_elsewhere_are_asked() {
        assert_eq!(examine("http://127.0.0.1:1", ELSEWHERE).await, []);
        assert_eq!(examine("http://localhost:1", ELSEWHERE).await, []);
        let found = examine("http://127.0.0.1:1,http://127.0.0.1:2", ELSEWHERE).await;
        let said =
            "http://127.0.0.1:2: nobody answers there; `serve order` calls it, `up` does not";
        assert_eq!(found, [(Verdict::Idle, said.to_owned())]);
        let found = examine("http://no.such.host.invalid:1", ELSEWHERE).await;
        assert_eq!(found.len(), 1);
        assert!(found.iter().all(|(verdict, _)| *verdict == Verdict::Bad));
    }

    #[tokio::test]
    async fn upstreams_that_consul_does_not_know_are_told() {
        let agent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = agent.local_addr().unwrap();
        let answer = async {
            let (mut stream, _) = agent.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let nobody = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";
            stream.write_all(nobody).await.unwrap();
        };
        let (found, ()) = tokio::join!(examine("consul://catalog", address), answer);
        let said = "consul://catalog: Consul knows no instance that is well";
        assert_eq!(found, [(Verdict::Idle, said.to_owned())]);
        let found = examine("consul://catalog", ELSEWHERE).await;
        assert!(matches!(&found[..], [(Verdict::Bad, said)] if said.contains("cannot be reached")));
    }

    #[test]
    fn an_address_of_this_host_is_served_here() {
        let cases = [
            ("127.0.0.1:9003", "127.0.0.1:9003", true),
            ("localhost:9003", "127.0.0.1:9003", true),
            ("127.0.0.1:9003", "0.0.0.0:9003", true),
            ("[::1]:9003", "[::]:9003", true),
            ("10.0.0.7:9003", "10.0.0.7:9003", true),
            ("10.0.0.8:9003", "10.0.0.7:9003", false),
            ("127.0.0.1:9004", "127.0.0.1:9003", false),
            ("catalog:9003", "0.0.0.0:9003", false),
        ];
        for (address, listen, is_here) in cases {
            let served = is_served_at(&address.parse().unwrap(), listen.parse().unwrap());
            assert_eq!(served, is_here, "{address} by {listen}");
        }
    }
}
