# What was chosen before stays, whatever is recommended.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Rec: c
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Con: c
#>=Pkg: dd 1 1 noarch
#>=Prv: x
#>=Pkg: c 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
