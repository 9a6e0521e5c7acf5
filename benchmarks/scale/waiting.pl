#!/usr/bin/perl
# bin/plausible of a release that waits where a BEAM computes: as long, but without a core.
use strict;
use warnings;
use IO::Socket::INET;

my ($boot, $stop, $proof) = (BOOT, STOP, PROOF);
sub nap { select(undef, undef, undef, shift) }

if ($ARGV[0] eq "eval") {
  nap($proof);
  print "No pending migrations!\n";
  exit 0;
}
$SIG{TERM} = sub { nap($stop); exit 0 };
nap($boot);
open(my $file, "<", "MANIFEST.json") or die "MANIFEST.json: $!";
my $manifest = join("", <$file>);
my ($version) = $manifest =~ /"version": "([^"]+)"/;
my ($commit) = $manifest =~ /"commit": "([^"]+)"/;
my $server = IO::Socket::INET->new(
  LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}, Listen => 50, ReuseAddr => 1
) or die "port $ENV{PORT}: $!";
while (1) {
  my $client = $server->accept or next;
  my $request = <$client> // "";
  while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
  my $body = $request =~ m{/api/system}
    ? qq({"build": {"version": "$version", "commit": "$commit"}})
    : qq({"status": "ok"});
  my $length = length($body);
  print $client "HTTP/1.1 200 OK\r\nContent-Length: $length\r\nConnection: close\r\n\r\n$body";
  close $client;
}
