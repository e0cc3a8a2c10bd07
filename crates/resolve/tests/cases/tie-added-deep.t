# A provider that is needed anyhow, further down, is enough.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Req: d
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: d 1 1 noarch
#>=Req: zz
#>=Pkg: zz 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install d-1-1.noarch@available
#>install zz-1-1.noarch@available
