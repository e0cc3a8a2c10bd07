# A path can be requested.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Fls: /usr/bin/sh
system x86_64 rpm system
job install text /usr/bin/sh
result transaction,problems <inline>
#>install b-1-1.noarch@available
