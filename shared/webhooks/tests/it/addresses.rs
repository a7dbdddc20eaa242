//! Addresses: each of the table is refused or called, however it is reached: written in the URL, resolved from a name, or
//! beside a public one in the same answer.

use std::net::IpAddr;

use tollgate_gateway::ports::{
    WebhookSender as _,
    webhook_sender::{EndpointRefused, SendError},
};
use tollgate_webhooks::{AddressPolicy, is_public};

use crate::world::{Names, Network, PUBLIC, send, sender_on};

/// The first and the last of every block that is not public, and what is known to answer in some.
const REFUSED: &str = "
0.0.0.0 0.0.0.1 0.255.255.255
10.0.0.0 10.1.2.3 10.255.255.255
100.64.0.0 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.0.0.53 127.255.255.255
168.63.129.16
169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255
172.16.0.0 172.17.0.1 172.31.255.255
192.0.0.0 192.0.0.192 192.0.0.255
192.0.2.0 192.0.2.255
192.88.99.0 192.88.99.1 192.88.99.255
192.168.0.0 192.168.1.1 192.168.255.255
198.18.0.0 198.19.255.255
198.51.100.0 198.51.100.255
203.0.113.0 203.0.113.255
224.0.0.0 224.0.0.1 239.255.255.255
240.0.0.0 254.1.2.3 255.255.255.254 255.255.255.255
:: ::1 ::2
::7f00:1 ::10.0.0.1 ::8.8.8.8
::ffff:0.0.0.0 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8
::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8
64:ff9b::0.0.0.0 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::192.168.1.1 64:ff9b::255.255.255.255
64:ff9b:0:0:0:1:808:808 64:ff9b:1:: 64:ff9b:1::8.8.8.8 64:ff9b:1:ffff:ffff:ffff:ffff:ffff
100:: 100::1 100::ffff:ffff:ffff:ffff 100:0:0:1::1
1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
2001:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
2001:db8:: 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
2002:: 2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808::1 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
3fff:: 3fff::1 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff
4000:: 4000::1 5f00:: 5f00::1 8000::1
fc00:: fc00::1 fd00::1 fd00:ec2::254 fd20:ce::254 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
fe80:: fe80::1 fe80::a9fe:a9fe febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
fec0:: fec0::1 feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
ff00:: ff02::1 ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
";

/// Public ones: the neighbours of every block above, and some that everybody knows.
const PUBLIC_ONES: &str = "
1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255
11.0.0.0 34.120.0.1 93.184.215.14
100.63.255.255 100.128.0.0
126.255.255.255 128.0.0.0
168.63.129.15 168.63.129.17
169.253.255.255 169.255.0.0
172.15.255.255 172.32.0.0
191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0
192.167.255.255 192.169.0.0
198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0
203.0.112.255 203.0.114.0
223.255.255.255
64:ff9b::1.1.1.1 64:ff9b::8.8.8.8 64:ff9b::100.128.0.0
2000:: 2000::1 2001:200:: 2001:4860:4860::8888 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9::
2003:: 2400:cb00::1 2600:1901::1 2606:4700:4700::1111 2620:fe::fe 2a00:1450:4001:80b::200e
3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff 3fff:1000::
";

fn addresses(table: &str) -> Vec<IpAddr> {
    table.split_whitespace().map(|text| text.parse().expect(text)).collect()
}

fn url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("https://{address}/hooks"),
        IpAddr::V6(address) => format!("https://[{address}]/hooks"),
    }
}

#[test]
fn the_tables_are_long_enough_to_be_worth_something() {
    assert!(addresses(REFUSED).len() > 110 && addresses(PUBLIC_ONES).len() > 45);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_never_dialled_however_it_is_reached() {
    for address in addresses(REFUSED) {
        assert!(!is_public(address), "{address}");
        for answer in [vec![address], vec![PUBLIC, address]] {
            let network = Network::default();
            let sender = sender_on(AddressPolicy::production(), &Names::answering([&answer]), &network);
            assert_eq!(sender.check(&url(address)), Err(EndpointRefused::NotPublic), "{address}");
            for url in [url(address), "https://hooks.shop.example/".to_owned()] {
                assert_eq!(send(&sender, &url).await.answer, Err(SendError::AddressRefused), "{url} {address}");
            }
            assert_eq!(network.dialled(), [], "{address}");
        }
    }
}

#[tokio::test]
async fn a_public_address_is_dialled_and_no_other() {
    for address in addresses(PUBLIC_ONES) {
        assert!(is_public(address), "{address}");
        let network = Network::default();
        let sender = sender_on(AddressPolicy::production(), &Names::answering([&[address]]), &network);
        assert_eq!(sender.check(&url(address)), Ok(()), "{address}");
        for url in [url(address), "https://hooks.shop.example/".to_owned()] {
            assert_eq!(send(&sender, &url).await.answer, Err(SendError::NotConnected), "{address}");
            assert_eq!(network.dialled(), [(address, 443).into()], "{url}");
        }
    }
}

#[test]
fn a_sandbox_adds_loopback_and_nothing_else() {
    for address in addresses(REFUSED) {
        let text = address.to_string();
        let loopback = text.starts_with("127.") || text == "::1";
        assert_eq!(AddressPolicy::sandbox().allows(address), loopback, "{address}");
        assert!(!AddressPolicy::production().allows(address), "{address}");
    }
    for address in addresses(PUBLIC_ONES) {
        assert!(AddressPolicy::sandbox().allows(address) && AddressPolicy::production().allows(address), "{address}");
    }
}
